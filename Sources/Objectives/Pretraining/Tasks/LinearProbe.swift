import Configuration
import Models
import NN
import Tensors

/// Linear probe that monitors a pre-training: classifies jets from the outputs of the backbone by a weighted mean and a
/// linear map, once in a number of steps.
///
/// No gradient reaches the backbone, and the probe is left out of the total loss.
package final class LinearProbe {
    /// `tasks.probe` of a configuration.
    package struct Options: Sendable, Equatable {
        /// Number of steps from one update of the probe to the next.
        package var interval = 50

        package init() {}

        package init(from section: Section) throws {
            interval = try section.int(
                "interval", default: interval, in: .positive, help: "steps between two updates of the probe")
        }
    }

    /// Name of its parameter group, which is frozen at the steps between two updates.
    static let group = "probe"

    /// The loss, and the accuracy.
    let terms = [LossTerm(monitor: "probe"), LossTerm(measure: .probeAccuracy)]
    private let interval: Int
    private let backbone: Backbone
    private let inputs: JetInputs
    private let head: WeightedPoolingHead

    /// - Parameter inputs: the map from jets to the inputs of the backbone.
    init(
        _ options: Options, on backbone: Backbone, inputs: JetInputs, classes: Int, in scope: ParameterScope
    ) {
        interval = options.interval
        self.backbone = backbone
        self.inputs = inputs
        head = WeightedPoolingHead(width: backbone.width, classes: classes, in: scope)
    }

    /// Number of jets that each term is averaged over; 0 at steps without an update of the probe.
    func counts(_ jets: MaskedJets) -> [Double] {
        let count = isDue(in: jets.phase) ? Double(jets.batch.count) : 0
        return [count, count]
    }

    /// The sums of the terms over the jets.
    func sums(_ jets: MaskedJets, scale: Float, on tape: Tape) -> [Double] {
        guard isDue(in: jets.phase) else { return [0, 0] }
        let encoded = tape.evaluating { backbone(inputs(jets.constituents.all), on: $0) }
        let logits = head(Variable(constant: encoded.output.value), offsets: encoded.offsets, on: tape)
        // Before the loss, which overwrites the logits with their gradient.
        let right = zip(logits.value.argmaxOfRows(), jets.batch.labels).count { $0 == $1 }
        return [tape.crossEntropy(logits, target: jets.batch.labels, scale: scale), Double(right)]
    }

    /// True if the probe is updated in a step, counted from 0.
    func isDue(step: Int) -> Bool { step % interval == 0 }

    private func isDue(in phase: Phase) -> Bool {
        switch phase {
        case .training(let step): isDue(step: step)
        case .validation: true
        }
    }
}

import Configuration
import Jets
import Models
import NN
import Tensors

/// Watches a pre-training: tells the classes of whole jets from what the backbone says of them, by a weighted
/// mean and a linear map, every so many steps.
///
/// The backbone learns nothing of it, and the total loss does not count it.
package final class LinearProbe {
    /// `tasks.probe` of a configuration.
    package struct Options: Sendable, Equatable {
        /// The probe learns at every so many steps.
        package var interval = 50

        package init() {}

        package init(from section: Section) throws {
            interval = try section.int("interval", default: interval, in: .positive)
        }
    }

    /// The loss, and the share of the jets whose class is found.
    package let terms = [LossTerm(monitor: "probe"), LossTerm(measure: "probe_accuracy")]
    private let interval: Int
    private let backbone: Backbone
    private let inputs: JetInputs
    private let head: WeightedPoolingHead

    /// - Parameter inputs: what makes the inputs of the backbone.
    package init(
        _ options: Options, on backbone: Backbone, inputs: JetInputs, classes: Int, in scope: ParameterScope
    ) {
        interval = options.interval
        self.backbone = backbone
        self.inputs = inputs
        head = WeightedPoolingHead(width: backbone.width, classes: classes, in: scope)
    }

    /// What each term is averaged over; 0 at steps without the probe.
    package func counts(_ jets: MaskedJets) -> [Double] {
        let count = isDue(in: jets.phase) ? Double(jets.jets.count) : 0
        return [count, count]
    }

    /// The sums of the terms over the jets.
    package func sums(_ jets: MaskedJets, scale: Float, on tape: Tape) -> [Double] {
        guard isDue(in: jets.phase) else { return [0, 0] }
        let encoded = backbone(inputs(jets.all), on: tape.evaluating)
        let logits = head(Variable(constant: encoded.output.value), offsets: encoded.offsets, on: tape)
        // Before the loss, which puts the gradient in the place of the logits.
        let right = zip(logits.value.argmaxOfRows(), jets.labels).count { $0 == $1 }
        return [tape.crossEntropy(logits, target: jets.labels, scale: scale), Double(right)]
    }

    private func isDue(in phase: Phase) -> Bool {
        switch phase {
        case .training(let step): step % interval == 0
        case .validation: true
        }
    }
}

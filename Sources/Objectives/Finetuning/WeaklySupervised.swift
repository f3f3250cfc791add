import Configuration
import Jets
import NN
import Tensors

/// Classification without labels, CWoLa (Metodiev et al., arXiv:1708.02949): two samples of background jets, one of
/// them with some signal jets; a classifier of the samples learns to separate signal from background.
///
/// Every background jet is assigned to one of the samples at random. Validation and test use the true classes.
package final class WeaklySupervised: DownstreamTask {
    /// Sections `cwola` and `head`.
    package struct Options: Sendable, Equatable {
        package var background = ["QCD"]
        package var signal = ["Tbqq"]
        /// Number of background jets in both samples together; nil for all.
        package var backgroundJets: Int?
        /// Number of signal jets in the second sample; nil for all.
        package var signalJets: Int?
        /// Largest part of a jet's target in training that is moved to the other sample.
        package var labelSmoothing = 0.0
        package var classifier = ClassifierOptions()

        package init() {}

        /// Decodes the sections. Throws `ConfigurationError`.
        package init(from root: Section) throws {
            let section = try root.section("cwola")
            background = try section.strings("background", default: background, help: "classes of both samples")
            signal = try section.strings(
                "signal", default: signal, help: "classes that are added to one of the samples")
            guard !background.isEmpty, !signal.isEmpty, Set(background).isDisjoint(with: signal) else {
                throw section.error("signal", "signal and background need classes, and none that is both")
            }
            backgroundJets = try section.optionalInt(
                "background_jets", in: .positive, absent: "all",
                help: "number of background jets, divided between the samples")
            signalJets = try section.optionalInt(
                "signal_jets", in: .nonNegative, absent: "all", help: "number of signal jets that are added")
            labelSmoothing = try section.double(
                "label_smoothing", default: labelSmoothing, in: .zeroToOne,
                help: "largest part of a jet's target in training that is moved to the other sample; the part of each "
                    + "jet is random, uniform up to this")
            classifier = try ClassifierOptions(from: root.section("head"))
        }

        /// The jets of the training files to use: the given numbers, divided evenly among the classes.
        package func choice(seed: UInt64) -> JetChoice? {
            var counts: [String: Int] = [:]
            func share(_ jets: Int?, among names: [String]) {
                guard let jets else { return }
                for (index, name) in names.enumerated() {
                    counts[name] = (jets - index + names.count - 1) / names.count
                }
            }
            share(backgroundJets, among: background)
            share(signalJets, among: signal)
            var choice = JetChoice(classes: background + signal, counts: counts, seed: seed)
            for name in background { choice.keys[name] = "cwola.background" }
            for name in signal { choice.keys[name] = "cwola.signal" }
            return choice
        }
    }

    package let terms = [LossTerm(name: "cwola", weight: 1), LossTerm(measure: .accuracy)]
    private let head: Classifier
    private let backgrounds: Int
    private let labelSmoothing: Float
    private let seed: UInt64

    init(_ options: Options, width: Int, seed: UInt64, in scope: ParameterScope) {
        backgrounds = options.background.count
        labelSmoothing = Float(options.labelSmoothing)
        self.seed = seed
        head = Classifier(options.classifier, inputs: width, classes: 2, seed: seed, in: scope)
    }

    /// The sample of each jet in training, its true class in validation.
    private func targets(_ batch: JetBatch, phase: Phase) -> [Int32] {
        zip(batch.jets, batch.labels).map { jet, label in
            if label >= backgrounds { return 1 }
            guard phase.isTraining else { return 0 }
            return Int32(RandomKey(seed: seed, stream: .noisyLabels, jet: jet).block(0).x >> 31)
        }
    }

    /// Label smoothing of each jet in training, such that half of it is moved to the other sample, with new random
    /// numbers in every epoch; nil for none.
    private func smoothing(_ batch: JetBatch, phase: Phase) -> [Float]? {
        guard labelSmoothing > 0, phase.isTraining else { return nil }
        return batch.jets.map { jet in
            let word = RandomKey(seed: seed, stream: .noisyLabels, epoch: batch.epoch, jet: jet).block(1).x
            return 2 * labelSmoothing * Float(word >> 8) * 0x1p-24
        }
    }

    package func counts(_ batch: JetBatch) -> [Double] { [Double(batch.count), Double(batch.count)] }

    package func evaluate(
        _ encoded: EncodedJets, _ batch: JetBatch, phase: Phase, scales: [Float], on tape: Tape
    ) -> [Double] {
        let logits = head(encoded, batch, phase: phase, on: tape)
        let targets = targets(batch, phase: phase)
        let right = zip(logits.value.argmaxOfRows(), targets).count { $0 == $1 }
        let loss = tape.crossEntropy(
            logits, target: targets, rowSmoothing: smoothing(batch, phase: phase), scale: scales[0])
        return [loss, Double(right)]
    }

    package func predict(_ encoded: EncodedJets, _ batch: JetBatch, on tape: Tape) -> Predictions {
        let logits = head(encoded, batch, phase: .validation, on: tape).value
        let (scores, labels) = (logits.softmaxOfRows(), targets(batch, phase: .validation))
        let losses = labels.enumerated().map { jet, label in
            tape.crossEntropy(Variable(constant: logits.rows(jet..<jet + 1)), target: [label], scale: 0)
        }
        return Predictions([
            "scores": .init((0..<batch.count).map { scores.buffer[2 * $0 + 1] }),
            "labels": .init(labels.map { Int($0) }), "cwola_loss": .init(losses.map { Float($0) }),
        ])
    }

    /// The area under the curve, and the significance improvement ε_S / √ε_B at the threshold of version 1 (0.5), at
    /// that of version 2 (99 % background rejection), and its maximum with at least ten background jets left.
    package func measures(of predictions: Predictions) -> [Measure] {
        let (scores, labels) = (predictions.floats("scores"), predictions.integers("labels"))
        let metrics = BinaryMetrics(scores: scores, isSignal: labels.map { $0 == 1 })
        var loss = MeanOverJets()
        for (jet, value) in predictions.floats("cwola_loss").enumerated() { loss.add(Double(value), jet: jet) }
        let right = zip(scores, labels).count { ($0 > 0.5) == ($1 == 1) }
        let names = ["cwola_loss", "auc", "sic_half", "sic_99", "sic_max"]
        return [Measure("accuracy", fraction: Double(right) / Double(labels.count), of: labels.count)]
            + Bootstrap(jets: labels.count).measures(names) { counts in
                let metrics = counts.map { metrics.resampled($0) } ?? metrics
                return [
                    loss.mean(counts), metrics.areaUnderCurve, metrics.significanceImprovement(above: 0.5),
                    metrics.significanceImprovement(backgroundRejection: 0.99),
                    metrics.maximumSignificanceImprovement(leastBackground: 10),
                ]
            }
    }
}

extension WeaklySupervised.Options: DownstreamTaskOptions {
    package init(root: Section) throws { try self.init(from: root) }

    package var needsClasses: Bool { true }

    package func makeTask(_ context: DownstreamContext) -> any DownstreamTask {
        WeaklySupervised(self, width: context.width, seed: context.seed, in: context.scope)
    }
}

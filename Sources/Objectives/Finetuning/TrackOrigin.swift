import Configuration
import Foundation
import Jets
import MPI
import NN
import System
import Tensors

/// Classifies the origin of every track: a perceptron on the backbone's output at the constituent, and the
/// cross-entropy with weights of the classes, by default inverse to their frequencies in the training set.
package final class TrackOrigin: DownstreamTask {
    /// Section `head`. That of version 2 (arXiv:2409.12589) differs from the defaults: it has three layers with SiLU,
    /// norms and dropout, and given weights of the classes.
    package struct Options: Sendable, Equatable {
        package var perceptron = PerceptronOptions(layers: 2, activation: .leakyReLU)
        package var labelSmoothing = 0.1
        /// Weight of each class; nil for weights inverse to their frequencies.
        package var classWeights: [Double]?
        /// Number of jets in which the frequencies of the classes are counted.
        package var fitJets = 100_000

        package init() {}

        /// Decodes the section. Throws `ConfigurationError`.
        package init(from section: Section) throws {
            perceptron = try PerceptronOptions(from: section, defaults: perceptron)
            labelSmoothing = try section.labelSmoothing(default: labelSmoothing)
            classWeights = try section.optionalDoubles(
                "class_weights", in: .positive, absent: "balanced",
                help: "weights of the origins \(TrackOrigin.names.joined(separator: ", ")) in the loss, or weights "
                    + "inverse to their frequencies")
            guard classWeights?.count ?? TrackOrigin.names.count == TrackOrigin.names.count else {
                throw section.error(
                    "class_weights",
                    "expected 'balanced' or a weight for each of \(TrackOrigin.names.joined(separator: ", "))")
            }
            fitJets = try section.int(
                "fit_jets", default: fitJets, in: .positive,
                help: "jets in which the frequencies of the origins are counted at the start")
        }
    }

    /// Origins, indexed by the value in the dataset `track_type`.
    static let names = ["primary", "c", "b", "other"]
    package let terms = [LossTerm(name: "track_origin", weight: 1), LossTerm(measure: .accuracy)]
    private let options: Options
    private let head: MLP
    private let seed: UInt64
    private var classWeights = Tensor(repeating: 1, shape: [names.count])

    init(_ options: Options, width: Int, seed: UInt64, in scope: ParameterScope) {
        (self.options, self.seed) = (options, seed)
        let hidden = repeatElement(options.perceptron.width, count: options.perceptron.layers)
        head = MLP(
            widths: [width] + hidden + [Self.names.count], form: options.perceptron.form,
            dropoutPlace: Classifier.dropoutPlace, in: scope)
        if let weights = options.classWeights {
            classWeights = Tensor(weights.map { Float($0) }, shape: [weights.count])
        }
    }

    /// Origins of the tracks; an unknown value counts as `other`.
    private func targets(_ batch: JetBatch) -> [Int32] {
        batch.constituentLabels[0].map { Self.isKnown($0) ? $0 : Int32(Self.names.count - 1) }
    }

    private static func isKnown(_ value: Int32) -> Bool { names.indices.contains(Int(value)) }

    package func counts(_ batch: JetBatch) -> [Double] {
        let weights = classWeights.array
        let weight = targets(batch).reduce(0.0) { $0 + Double(weights[Int($1)]) }
        return [weight, Double(batch.tokenCount)]
    }

    package func evaluate(
        _ encoded: EncodedJets, _ batch: JetBatch, phase: Phase, scales: [Float], on tape: Tape
    ) -> [Double] {
        let keys = options.perceptron.keys(batch, phase: phase, seed: seed)
        let logits = head(encoded.constituents(on: tape), keys: keys, on: tape)
        let targets = targets(batch)
        let right = zip(logits.value.argmaxOfRows(), targets).count { $0 == $1 }
        let loss = tape.crossEntropy(
            logits, target: targets, smoothing: Float(options.labelSmoothing), classWeights: classWeights,
            scale: scales[0])
        return [loss, Double(right)]
    }

    package func predict(_ encoded: EncodedJets, _ batch: JetBatch, on tape: Tape) -> Predictions {
        Predictions([
            "constituents": .init((0..<batch.count).map { batch.offsets[$0].count }),
            "labels": .init(batch.labels.map { Int($0) }),
            "origin": .init(targets(batch).map { Int($0) }),
            "origin_scores": .init(head(encoded.constituents(on: tape), on: tape).value.softmaxOfRows()),
        ])
    }

    /// The balanced accuracy over all tracks, and separately by the number of tracks in the jet.
    package func measures(of predictions: Predictions) -> [Measure] {
        let (counts, origins) = (predictions.integers("constituents"), predictions.integers("origin"))
        let scores = predictions.floats("origin_scores")
        let classes = Self.names.count
        let jets = counts.enumerated().flatMap { repeatElement(Int32($0), count: $1) }
        func metrics(_ tokens: [Int]) -> MulticlassMetrics {
            MulticlassMetrics(
                probabilities: tokens.flatMap { scores[$0 * classes..<($0 + 1) * classes] }, classes: classes,
                labels: tokens.map { origins[$0] }, jets: tokens.map { jets[$0] })
        }
        let all = metrics(Array(origins.indices))
        var groups: [Int: [Int]] = [:]
        var token = 0
        for count in counts {
            groups[count, default: []] += token..<token + count
            token += count
        }
        let parts = groups.filter { $0.key > 0 }.sorted { $0.key < $1.key }.map { ($0.key, metrics($0.value)) }
        let loss = all.crossEntropies(
            smoothing: options.labelSmoothing, classWeights: classWeights.array.map { Double($0) })
        let bootstrap = Bootstrap(jets: counts.count)
        let accuracies = bootstrap.measures(
            ["track_origin_loss", "accuracy", "balanced_accuracy"]
                + parts.map { "balanced_accuracy_\($0.0)_tracks" }
        ) { counts in
            guard let counts else {
                return [loss.mean(), all.accuracy, all.balancedAccuracy] + parts.map { $0.1.balancedAccuracy }
            }
            let overall = all.accuracies(counts)
            return [loss.mean(counts), overall.accuracy, overall.balanced]
                + parts.map { $0.1.accuracies(counts).balanced }
        }
        return accuracies.prefix(3) + [all.areasUnderCurve(bootstrap).mean] + accuracies.dropFirst(3)
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        // The last bin counts the unknown values among those of `other`.
        let found = try jets.histogram(
            bins: Self.names.count + 1, ofFirst: options.fitJets, on: communicator
        ) { batch in
            targets(batch).map { Int($0) }
                + batch.constituentLabels[0].lazy.filter { !Self.isKnown($0) }.map { _ in Self.names.count }
        }
        let (counts, unknown) = (Array(found.dropLast()), found[Self.names.count])
        if unknown > 0 {
            report(
                "warning: track_type has \(plural(unknown, "value")) other than 0 to \(Self.names.count - 1); "
                    + "\(unknown == 1 ? "it counts" : "they count") as 'other'")
        }
        guard options.classWeights == nil else { return }
        let total = Double(counts.reduce(0, +))
        classWeights = .classWeights(balancing: counts)
        report(
            "origins of tracks: "
                + zip(Self.names, counts).map { "\($0) \(String(format: "%.1f %%", 100 * Double($1) / max(1, total)))" }
                .joined(separator: ", "))
    }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        state.tensors["class_weights"] = classWeights
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        guard options.classWeights == nil else { return }
        classWeights = try state.tensor(
            "class_weights", shape: [Self.names.count], wanted: "this task has \(Self.names.count) origins")
    }
}

extension TrackOrigin.Options: DownstreamTaskOptions {
    package init(root: Section) throws { try self.init(from: root.section("head")) }

    package var constituentLabels: [String] { ["track_type"] }

    package func makeTask(_ context: DownstreamContext) -> any DownstreamTask {
        TrackOrigin(self, width: context.width, seed: context.seed, in: context.scope)
    }
}

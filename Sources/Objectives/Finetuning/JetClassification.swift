import Configuration
import Jets
import Models
import NN
import System
import Tensors

/// Classifies jets: a classification head on the backbone's outputs, and the cross-entropy.
package final class JetClassification: DownstreamTask {
    /// Section `head`.
    package struct Options: Sendable, Equatable {
        package var classifier = ClassifierOptions()
        package var labelSmoothing = 0.1

        package init() {}

        /// Decodes the section. Throws `ConfigurationError`.
        package init(from section: Section) throws {
            classifier = try ClassifierOptions(from: section)
            labelSmoothing = try section.labelSmoothing(default: labelSmoothing)
        }
    }

    package let terms = [LossTerm(name: "classification", weight: 1), LossTerm(measure: .accuracy)]
    private let head: Classifier
    private let labelSmoothing: Float
    private let classes: JetClasses

    init(_ options: Options, width: Int, _ jets: JetShape, seed: UInt64, in scope: ParameterScope) {
        guard let classes = jets.classes else { unreachable("a classification without classes") }
        self.classes = classes
        labelSmoothing = Float(options.labelSmoothing)
        head = Classifier(options.classifier, inputs: width, classes: classes.count, seed: seed, in: scope)
    }

    package func counts(_ batch: JetBatch) -> [Double] { [Double(batch.count), Double(batch.count)] }

    package func evaluate(
        _ encoded: EncodedJets, _ batch: JetBatch, phase: Phase, scales: [Float], on tape: Tape
    ) -> [Double] {
        let logits = head(encoded, batch, phase: phase, on: tape)
        // Before the loss, which overwrites the logits with their gradient.
        let right = zip(logits.value.argmaxOfRows(), batch.labels).count { $0 == $1 }
        let loss = tape.crossEntropy(logits, target: batch.labels, smoothing: labelSmoothing, scale: scales[0])
        return [loss, Double(right)]
    }

    package func predict(_ encoded: EncodedJets, _ batch: JetBatch, on tape: Tape) -> Predictions {
        let logits = head(encoded, batch, phase: .validation, on: tape)
        return Predictions([
            "scores": .init(logits.value.softmaxOfRows()), "labels": .init(batch.labels.map { Int($0) }),
        ])
    }

    private func metrics(of predictions: Predictions) -> MulticlassMetrics {
        MulticlassMetrics(
            probabilities: predictions.floats("scores"), classes: classes.count, labels: predictions.integers("labels"))
    }

    /// Accuracies and areas under the curve of all classes, and the background rejection of each class against the
    /// first at several signal efficiencies (as for ParT, arXiv:2202.03772).
    package func measures(of predictions: Predictions) -> [Measure] {
        let metrics = metrics(of: predictions)
        let bootstrap = Bootstrap(jets: predictions.integers("labels").count)
        let (loss, entropy) = (metrics.crossEntropies(smoothing: Double(labelSmoothing)), metrics.crossEntropies())
        var measures = [Measure("accuracy", fraction: metrics.accuracy, of: bootstrap.jets)]
        measures += bootstrap.measures(["classification_loss", "cross_entropy", "balanced_accuracy"]) { counts in
            let balanced = counts.map { metrics.accuracies($0).balanced } ?? metrics.balancedAccuracy
            return [loss.mean(counts), entropy.mean(counts), balanced]
        }
        let areas = metrics.areasUnderCurve(bootstrap)
        measures.append(areas.mean)
        for (name, area) in zip(classes.names, areas.classes) {
            measures.append(Measure("auc_\(name)", area.value, error: area.error))
        }
        let efficiencies = [(0.3, "30"), (0.5, "50"), (0.99, "99"), (0.995, "99.5")]
        for (label, name) in classes.names.enumerated().dropFirst() {
            let pair = metrics.oneVersusOne(signal: label, background: 0)
            measures += bootstrap.measures(efficiencies.map { "rejection_\(name)_at_\($0.1)" }) { counts in
                let pair = counts.map { pair.resampled($0) } ?? pair
                return efficiencies.map { pair.backgroundRejection(signalEfficiency: $0.0) }
            }
        }
        return measures
    }

    package func tables(of predictions: Predictions) -> [String: [[Double]]] {
        ["confusion": metrics(of: predictions).confusion.map { $0.map { Double($0) } }]
    }
}

extension JetClassification.Options: DownstreamTaskOptions {
    package init(root: Section) throws { try self.init(from: root.section("head")) }

    package var needsClasses: Bool { true }

    package func makeTask(_ context: DownstreamContext) -> any DownstreamTask {
        JetClassification(self, width: context.width, context.jets, seed: context.seed, in: context.scope)
    }
}

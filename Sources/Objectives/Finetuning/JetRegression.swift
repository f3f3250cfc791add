import Configuration
import Foundation
import Jets
import MPI
import Models
import NN
import System
import Tensors

/// Predicts a number for each jet, such as its mass or its true transverse momentum: a head on the backbone's outputs
/// that predicts the standardised target, optionally with its uncertainty.
///
///     z = (t / r − μ) / σ
///
/// with the target t, the reference r (1 if there is none), and mean μ and deviation σ of t / r in the training jets.
/// Predictions are in the units of the target.
package final class JetRegression: DownstreamTask {
    /// Sections `regression` and `head`.
    package struct Options: Sendable, Equatable {
        package enum Loss: String, CaseIterable, Sendable {
            case l1, mse, huber, gaussian
        }

        /// The number that is predicted.
        package var target: JetQuantity
        /// The positive number that the target is divided by; nil for none.
        package var reference: JetQuantity?
        package var loss = Loss.huber
        /// Difference of the standardised values beyond which the Huber loss is linear.
        package var delta = 1.0
        /// Number of jets that mean and deviation of the target are computed from.
        package var fitJets = 100_000
        package var classifier = ClassifierOptions()

        /// Decodes the sections. Throws `ConfigurationError`.
        package init(from root: Section) throws {
            let section = try root.section("regression")
            func quantity(_ name: String, _ key: String, isPositive: Bool = false) throws -> JetQuantity {
                do { return try JetQuantity(name, isPositive: isPositive) } catch let error as JetError {
                    throw section.error(key, error.description)
                }
            }
            target = try quantity(
                section.string(
                    "target", default: "jets/mass",
                    help: "quantity of the jet that is predicted: a dataset, or a column of one as `DATASET/COLUMN`"),
                "target")
            reference = try section.optionalString(
                "relative_to",
                help: "quantity of the jet, such as `jets/pt`; the network then predicts the ratio of the target to it"
            ).map { try quantity($0, "relative_to", isPositive: true) }
            loss = try section.choice(
                "loss", default: loss,
                help: "absolute or squared error, Huber loss, or likelihood of a normal distribution whose width is "
                    + "predicted as well")
            if loss == .huber {
                delta = try section.double(
                    "delta", default: delta, in: .positive,
                    help: "difference, in standard deviations of the target, beyond which the Huber loss is linear")
            }
            fitJets = try section.int(
                "fit_jets", default: fitJets, in: .positive,
                help: "jets that mean and standard deviation of the target are computed from at the start")
            classifier = try ClassifierOptions(from: root.section("head"))
        }
    }

    package let terms = [LossTerm(name: "regression", weight: 1), LossTerm(measure: .meanAbsoluteError)]
    package let needsMomenta = true
    private let head: Classifier
    private let options: Options
    /// Mean and standard deviation of target / reference.
    private var (mean, deviation): (Float, Float) = (0, 1)

    init(_ options: Options, width: Int, seed: UInt64, in scope: ParameterScope) {
        self.options = options
        head = Classifier(
            options.classifier, inputs: width, classes: options.loss == .gaussian ? 2 : 1, seed: seed, in: scope)
    }

    /// The factor of each jet from target / reference to the target.
    private func references(_ batch: JetBatch) -> [Float] {
        options.reference == nil ? Array(repeating: 1, count: batch.count) : batch.quantities[1]
    }

    /// The standardised targets, `[jets, 1]`.
    private func targets(_ batch: JetBatch) -> Tensor {
        let values = zip(batch.quantities[0], references(batch)).map { ($0 / $1 - mean) / deviation }
        return Tensor(values, shape: [batch.count, 1])
    }

    /// The predictions in the units of the target.
    private func predictions(_ output: Tensor, _ batch: JetBatch) -> [Float] {
        references(batch).enumerated().map { jet, reference in
            (output.buffer[jet * output.columns] * deviation + mean) * reference
        }
    }

    package func counts(_ batch: JetBatch) -> [Double] { [Double(batch.count), Double(batch.count)] }

    package func evaluate(
        _ encoded: EncodedJets, _ batch: JetBatch, phase: Phase, scales: [Float], on tape: Tape
    ) -> [Double] {
        let output = head(encoded, batch, phase: phase, on: tape)
        let error = zip(predictions(output.value, batch), batch.quantities[0]).reduce(0.0) {
            $0 + abs(Double($1.0) - Double($1.1))
        }
        let (target, scale) = (targets(batch), scales[0])
        let loss =
            switch options.loss {
            case .l1: tape.l1Loss(output, target: target, scale: scale)
            case .mse: tape.mseLoss(output, target: target, scale: scale)
            case .huber: tape.huberLoss(output, target: target, delta: Float(options.delta), scale: scale)
            case .gaussian: tape.gaussianNegativeLogLikelihood(output, target: target, scale: scale)
            }
        return [loss, error]
    }

    package func predict(_ encoded: EncodedJets, _ batch: JetBatch, on tape: Tape) -> Predictions {
        guard let momenta = batch.momenta else { unreachable("a batch without momenta") }
        let output = head(encoded, batch, phase: .validation, on: tape).value
        var columns: [String: Predictions.Column] = [
            "predicted": .init(predictions(output, batch)), "target": .init(batch.quantities[0]),
            "pt": .init(
                JetObservables(momenta: momenta, offsets: batch.offsets).transverseMomenta.map { Float($0) }),
            "labels": .init(batch.labels.map { Int($0) }),
        ]
        if options.loss == .gaussian {
            let limit = Tensor.logarithmOfWidthLimit
            columns["sigma"] = .init(
                references(batch).enumerated().map { jet, reference in
                    exp(min(max(output.buffer[2 * jet + 1], -limit), limit)) * deviation * reference
                })
        }
        return Predictions(columns)
    }

    /// Mean, width and error of predicted − true and of predicted / true, and with predicted uncertainties the fraction
    /// of jets within one of them.
    package func measures(of predictions: Predictions) -> [Measure] {
        let (predicted, target) = (predictions.floats("predicted"), predictions.floats("target"))
        let metrics = RegressionMetrics(predicted: predicted, target: target)
        let names = ["mae", "bias", "resolution", "rmse", "response", "response_resolution"]
        var measures = Bootstrap(jets: target.count).measures(names) { counts in
            let metrics = counts.map { metrics.resampled($0) } ?? metrics
            return [
                metrics.meanAbsoluteError, metrics.bias, metrics.resolution, metrics.rootMeanSquare, metrics.response,
                metrics.responseResolution,
            ]
        }
        if options.loss == .gaussian {
            let inside = zip(zip(predicted, target), predictions.floats("sigma")).count { abs($0.0 - $0.1) < $1 }
            measures.append(
                Measure("coverage", fraction: Double(inside) / Double(predicted.count), of: predicted.count))
        }
        return measures
    }

    /// Largest number of intervals of pT in the table.
    private static let intervals = 10

    /// The measures in intervals of the pT of the constituents with equal numbers of jets: smallest and largest pT,
    /// number of jets, bias, resolution, response, resolution of the response.
    package func tables(of predictions: Predictions) -> [String: [[Double]]] {
        let (predicted, target) = (predictions.floats("predicted"), predictions.floats("target"))
        let momenta = predictions.floats("pt")
        let order = momenta.indices.sorted { (momenta[$0], $0) < (momenta[$1], $1) }
        let rows = (0..<Self.intervals).compactMap { interval -> [Double]? in
            let jets = order[order.count * interval / Self.intervals..<order.count * (interval + 1) / Self.intervals]
            guard let first = jets.first, let last = jets.last else { return nil }
            let metrics = RegressionMetrics(predicted: jets.map { predicted[$0] }, target: jets.map { target[$0] })
            return [
                Double(momenta[first]), Double(momenta[last]), Double(metrics.count), metrics.bias, metrics.resolution,
                metrics.response, metrics.responseResolution,
            ]
        }
        return ["pt_intervals": rows]
    }

    // MARK: Standardisation

    /// Computes mean and standard deviation in double precision from values that rank 0 sorts, so that they do not
    /// depend on the number of ranks.
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        let own = try communicator.agree {
            var values: [Float] = []
            for step in jets.steps(ofFirst: options.fitJets) {
                let batch = try jets.batch(epoch: 0, step: step)
                values += zip(batch.quantities[0], references(batch)).map { $0 / $1 }
            }
            return values
        }
        let all = try communicator.gather(own)?.joined().sorted() ?? []
        let count = Double(max(1, all.count))
        let mean = all.reduce(0) { $0 + Double($1) } / count
        let variance = all.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
        let fitted = try communicator.broadcast([Float(mean), Float(variance.squareRoot())])
        try communicator.agree {
            guard fitted.allSatisfy(\.isFinite), fitted[1] > 0 else {
                throw ObjectiveError(
                    "\(options.target) of the training jets has the mean \(fitted[0]) and the standard deviation "
                        + "\(fitted[1]): there is nothing to predict; set regression.target to another quantity")
            }
        }
        (self.mean, deviation) = (fitted[0], fitted[1])
        let divided = options.reference.map { " / \($0)" } ?? ""
        report("\(options.target)\(divided): mean \(fitted[0]), standard deviation \(fitted[1])")
    }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        state.tensors["standardisation"] = Tensor([mean, deviation], shape: [2])
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        let stored = try state.tensor(
            "standardisation", shape: [2], wanted: "a regression requires mean and standard deviation of its target")
        (mean, deviation) = (stored.buffer[0], stored.buffer[1])
    }
}

extension JetRegression.Options: DownstreamTaskOptions {
    package init(root: Section) throws { try self.init(from: root) }

    package var quantities: [JetQuantity] { [target] + (reference.map { [$0] } ?? []) }

    package func makeTask(_ context: DownstreamContext) -> any DownstreamTask {
        JetRegression(self, width: context.width, seed: context.seed, in: context.scope)
    }
}

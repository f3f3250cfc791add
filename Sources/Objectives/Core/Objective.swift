import Jets
import MPI
import NN
import Tensors

/// A training objective: a model, its targets and its loss.
///
/// Every term of the loss is a (sum, count) pair, so that the model does not depend on how a global batch is divided
/// into ranks and micro-batches: the counts of all parts are added before any gradient is computed.
///
///     let part = objective.prepare(batch, phase: .training(step: 0))
///     let scales = zip(objective.terms, part.counts).map { Float($1 > 0 ? $0.weight / $1 : 0) }
///     let sums = part.evaluate(scales, tape)
package protocol Objective: AnyObject {
    /// The model's parameters.
    var parameters: ParameterStore { get }
    /// Terms of the loss, in the order of all arrays of sums and counts.
    var terms: [LossTerm] { get }
    /// The term whose validation mean selects the best checkpoint and stops the run early; nil for the total loss.
    var selectingTerm: LossTerm? { get }
    /// The values that `stepDidEnd` and `validationDidEnd` return: further columns of the metrics.
    var monitors: [TrainingMeasure] { get }
    /// True if batches must carry momenta.
    var needsMomenta: Bool { get }
    /// State besides the parameters that belongs in a checkpoint; a copy of everything that still changes.
    var state: ObjectiveState { get }
    /// True if `fit` changes parameters, so that its result is more than the state.
    var fitsParameters: Bool { get }

    /// Factors of the learning rate at a step, one for each parameter group; 0 freezes the group.
    func learningRateFactors(step: Int) -> [Double]

    /// Prepares everything that does not depend on the parameters: masks and targets of some jets.
    func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch

    /// Fits data-dependent state, such as centroids, before the first step; collective over all ranks.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    /// Replaces `fit` in benchmarks: `points(n)` returns n points `[n, features]` distributed like the constituents.
    func useSyntheticTokens(_ points: (Int) -> Tensor) throws
    /// Weights of the trained VQ-VAE whose codes are used; nil if there is none.
    var tokenizerParameters: ParameterStore? { get }
    /// Adopts the state of the pre-training of the backbone. Throws `ObjectiveError` if it does not fit.
    func adopt(backbone state: ObjectiveState) throws
    /// Restores the state of an earlier run. Throws `ObjectiveError` if it does not fit.
    func restore(_ state: ObjectiveState) throws

    /// Updates the state after the parameters, and returns the monitors, equal on all ranks; collective. A skipped step
    /// changes nothing.
    func stepDidEnd(_ step: Int, isSkipped: Bool, on communicator: Communicator) throws -> [Double]
    /// Returns the monitors of the validation that has just ended, equal on all ranks; collective.
    func validationDidEnd(on communicator: Communicator) throws -> [Double]

    /// Figures of merit of the predictions for all jets.
    func measures(of predictions: Predictions) -> [Measure]
    /// Figures of merit that are tables, row by row.
    func tables(of predictions: Predictions) -> [String: [[Double]]]
    /// The objective as a generator of whole jets; nil if it generates none.
    var generator: (any JetGenerator)? { get }
    /// The objective as a model of dropped constituents; nil if it recovers none.
    var reconstructor: (any Reconstructor)? { get }
}

extension Objective {
    package var selectingTerm: LossTerm? { nil }
    package var monitors: [TrainingMeasure] { [] }
    package var needsMomenta: Bool { false }
    package var state: ObjectiveState { ObjectiveState() }
    package var fitsParameters: Bool { false }
    package func learningRateFactors(step: Int) -> [Double] { parameters.groups.map { _ in 1 } }
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws {}
    package var tokenizerParameters: ParameterStore? { nil }
    package func adopt(backbone state: ObjectiveState) throws {}
    package func restore(_ state: ObjectiveState) throws {}
    package func stepDidEnd(_ step: Int, isSkipped: Bool, on communicator: Communicator) throws -> [Double] { [] }
    package func validationDidEnd(on communicator: Communicator) throws -> [Double] { [] }
    package func measures(of predictions: Predictions) -> [Measure] { [] }
    package func tables(of predictions: Predictions) -> [String: [[Double]]] { [:] }
    package var generator: (any JetGenerator)? { nil }
    package var reconstructor: (any Reconstructor)? { nil }
}

/// Jets that are ready for the forward pass.
package struct MicroBatch {
    /// Number of items that each term is averaged over; 0 for a term that is not evaluated at this step.
    package let counts: [Double]
    /// Runs the model and returns the sum of every term. A recording tape then holds the gradient of
    /// Σ scales[i] · sums[i], ready for its backward pass.
    package let evaluate: (_ scales: [Float], _ tape: Tape) -> [Double]
    /// Predictions for jets of a validation, with the truth to compare them with; empty for an objective without
    /// predictions. After `evaluate`, encodings that it has computed may be used again.
    ///
    /// `preprocessing` is the map from stored features to the model's inputs; the tape does not record.
    package let predict: (_ preprocessing: any Preprocessing, _ tape: Tape) -> Predictions

    package init(
        counts: [Double], evaluate: @escaping ([Float], Tape) -> [Double],
        predict: @escaping (any Preprocessing, Tape) -> Predictions = { _, _ in Predictions() }
    ) {
        (self.counts, self.evaluate, self.predict) = (counts, evaluate, predict)
    }
}

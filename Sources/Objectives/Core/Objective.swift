import Jets
import MPI
import NN
import Tensors

/// Whether a model learns or is measured; masks and noise of the two come from different random streams.
package enum Phase: Sendable, Equatable {
    /// The step of a run, counted from 0.
    case training(step: Int)
    case validation

    package var isTraining: Bool { self != .validation }

    /// The random stream of masks.
    package var maskingStream: RandomStream { isTraining ? .masking : .validationMasking }
}

/// A mean over the global batch that the metrics tell, and, with a weight, a part of the loss:
/// total = Σ weight · sum / count.
package struct LossTerm: Sendable, Equatable {
    /// The name of the task or of the measure.
    package let name: String
    /// What the term counts in the total; a measure, such as an accuracy, counts nothing and has no gradient.
    package let weight: Double
    /// What it counts in the total that is told and compared.
    package let weightInTotal: Double
    private let isMeasure: Bool

    package init(name: String, weight: Double) {
        (self.name, self.weight, weightInTotal, isMeasure) = (name, weight, weight, false)
    }

    /// A mean that is told only.
    package init(measure name: String) {
        (self.name, weight, weightInTotal, isMeasure) = (name, 0, 0, true)
    }

    /// A loss that something beside the model learns from, of which the total is told without it.
    package init(monitor name: String) {
        (self.name, weight, weightInTotal, isMeasure) = (name, 1, 0, false)
    }

    /// The column of the metrics, without `train/` or `valid/`.
    package var column: String { isMeasure ? name : name + "_loss" }
}

/// Something to train: a model, what is asked of it, and how the answer is scored.
///
/// Every term of the loss is a (sum, count) pair, so that the same model is trained however a global batch is cut into
/// ranks and micro-batches: the counts of all parts are added before any gradient is computed.
package protocol Objective: AnyObject {
    /// The model's parameters.
    var parameters: ParameterStore { get }
    /// The terms of the loss, in the order of all arrays of sums and counts.
    var terms: [LossTerm] { get }
    /// What `stepDidEnd` and `validationDidEnd` tell: further columns of the metrics.
    var monitors: [String] { get }
    /// Whether batches have to carry momenta.
    var needsMomenta: Bool { get }
    /// What is known besides the parameters and has to be in a checkpoint; what still changes is copied.
    var state: ObjectiveState { get }
    /// Whether `fit` changes parameters, so that what it finds is more than the state.
    var fitsParameters: Bool { get }

    /// What the learning rate of every group of parameters is multiplied by at a step; a group of factor 0 is
    /// frozen.
    func learningRateFactors(step: Int) -> [Double]

    /// Prepares what does not depend on the parameters: masks and targets of some jets.
    func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch

    /// Finds what has to be known of the data before the first step, such as centroids; collective over all ranks.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    /// The weights of a trained VQ-VAE whose codes are used; nil where there is none.
    var tokenizerParameters: ParameterStore? { get }
    /// Takes over what the backbone's pre-training knew besides its parameters. Throws `ObjectiveError` where it does
    /// not fit.
    func adopt(backbone state: ObjectiveState) throws
    /// Takes over the state of an earlier run. Throws `ObjectiveError` where it does not fit.
    func restore(_ state: ObjectiveState) throws

    /// Does what follows the update of a step, and returns the monitors, equal on all ranks; collective. Where the step
    /// was skipped, it was as if it had not been.
    func stepDidEnd(_ step: Int, isSkipped: Bool, on communicator: Communicator) throws -> [Double]
    /// Returns the monitors of the validation that has just ended, equal on all ranks; collective.
    func validationDidEnd(on communicator: Communicator) throws -> [Double]
}

extension Objective {
    package var monitors: [String] { [] }
    package var needsMomenta: Bool { false }
    package var state: ObjectiveState { ObjectiveState() }
    package var fitsParameters: Bool { false }
    package var tokenizerParameters: ParameterStore? { nil }
    package func adopt(backbone state: ObjectiveState) throws {}
    package func learningRateFactors(step: Int) -> [Double] { parameters.groups.map { _ in 1 } }
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    package func restore(_ state: ObjectiveState) throws {}
    package func stepDidEnd(_ step: Int, isSkipped: Bool, on communicator: Communicator) throws -> [Double] { [] }
    package func validationDidEnd(on communicator: Communicator) throws -> [Double] { [] }
}

/// Jets that are ready for the model.
package struct MicroBatch {
    /// What each term is averaged over; 0 where a term is not asked for at this step.
    package let counts: [Double]
    /// Runs the model and returns the sum of every term; a recording tape then holds the gradient of
    /// Σ scales[i] · sums[i], ready for its backward pass.
    package let evaluate: (_ scales: [Float], _ tape: Tape) -> [Double]

    package init(counts: [Double], evaluate: @escaping ([Float], Tape) -> [Double]) {
        self.counts = counts
        self.evaluate = evaluate
    }
}

import HDF5
import Jets
import MPI
import NN
import Tensors

/// Whether a model learns or is measured; masks and noise of the two come from different random streams.
public enum Phase: Sendable {
    case training, validation
}

/// One term of the loss, a column of the metrics: total = Σ weight · sum / count.
public struct LossTerm: Sendable, Equatable {
    /// The name in `train/<name>_loss`.
    public let name: String
    /// What the term counts in the total.
    public let weight: Double

    public init(name: String, weight: Double) {
        self.name = name
        self.weight = weight
    }
}

/// Something to train: a model, what is asked of it, and how the answer is scored.
///
/// Every term of the loss is a (sum, count) pair, so that the same model is trained however a global batch is cut into
/// ranks and micro-batches: the counts of all parts are added before any gradient is computed.
public protocol Objective: AnyObject {
    /// The model's parameters.
    var parameters: ParameterStore { get }
    /// The terms of the loss, in the order of all arrays of sums and counts.
    var terms: [LossTerm] { get }

    /// Whether batches have to carry momenta.
    var needsMomenta: Bool { get }

    /// Prepares what does not depend on the parameters: masks and targets of some jets.
    func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch

    /// Finds what has to be known of the data before the first step, such as centroids; collective over all ranks.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    /// Writes what `fit` found.
    func saveState(to group: borrowing Group) throws
    /// Reads what `saveState` wrote.
    func loadState(from group: borrowing Group) throws
}

extension Objective {
    public var needsMomenta: Bool { false }
}

/// Jets that are ready for the model.
public struct MicroBatch {
    /// What each term is averaged over.
    public let counts: [Double]
    /// Runs the model and returns the sum of every term; a recording tape then holds the gradient of
    /// Σ scales[i] · sums[i], ready for its backward pass.
    public let evaluate: (_ scales: [Float], _ tape: Tape) -> [Double]

    public init(counts: [Double], evaluate: @escaping ([Float], Tape) -> [Double]) {
        self.counts = counts
        self.evaluate = evaluate
    }
}

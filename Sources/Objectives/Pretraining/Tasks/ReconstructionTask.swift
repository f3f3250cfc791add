import Jets
import MPI
import Models
import NN
import Tensors

/// One way to recover the dropped constituents from the decoder's outputs: a head, a target and a loss.
package protocol ReconstructionTask: AnyObject {
    /// The key in the configuration and the column in the metrics.
    var name: String { get }
    /// What the task counts in the total loss.
    var weight: Double { get }

    /// What the sum of the loss is divided by.
    func count(_ jets: MaskedJets) -> Double
    /// The summed loss over dropped constituents; `decoded` is what the network says of them, `[dropped,
    /// width]`.
    func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double

    /// What the task takes the dropped constituents for, in the order of the jets; where it has found a
    /// distribution, a random draw from it.
    ///
    /// - Parameter decoded: what the network says of them, `[dropped, width]`.
    /// - Throws: what a solver throws.
    func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) throws -> Reconstruction

    /// Does what follows an update of the parameters, the same on every rank.
    func stepDidEnd(_ parameters: ParameterStore)

    /// As in `Objective`; most tasks need none of these.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    var state: ObjectiveState { get }
    func restore(_ state: ObjectiveState) throws
}

extension ReconstructionTask {
    package func stepDidEnd(_ parameters: ParameterStore) {}
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    package var state: ObjectiveState { ObjectiveState() }
    package func restore(_ state: ObjectiveState) throws {}
}

/// How constituents are drawn from what a model says of them.
package struct SamplingOptions: Sendable, Equatable {
    /// What follows the velocities of flow matching.
    package var solver: ODESolver
    /// Whether the most likely class or token is taken instead of a random one.
    package var takesMostLikely: Bool

    package init(solver: ODESolver = .midpoint(steps: 50), takesMostLikely: Bool = false) {
        self.solver = solver
        self.takesMostLikely = takesMostLikely
    }
}

/// What is recovered of dropped constituents, in the order of the jets; nil for what a task does not look at.
package struct Reconstruction {
    /// Preprocessed features, `[dropped, features]`.
    package var values: Tensor?
    package var identities: [Int32]?

    package init(values: Tensor? = nil, identities: [Int32]? = nil) {
        self.values = values
        self.identities = identities
    }
}

/// An objective that can say what the hidden constituents of jets may have been.
package protocol Reconstructing: Objective {
    /// The names of the ways in which features are recovered.
    var reconstructions: [String] { get }

    /// Recovers the dropped constituents of some jets, by each of `reconstructions`. Throws what a solver
    /// throws.
    func reconstruct(_ jets: MaskedJets, _ options: SamplingOptions) throws -> [Reconstruction]
}

extension Tensor {
    /// A class for every row of logits, `[rows, classes]`: drawn from their softmax, or the most likely.
    func classes(_ randoms: [RandomSequence], takesMostLikely: Bool) -> [Int32] {
        guard !takesMostLikely else { return argmaxOfRows() }
        let probabilities = softmaxOfRows()
        return randoms.enumerated().map { row, random in
            var random = random
            var left = random.uniform()
            let row = probabilities.buffer[row * columns..<(row + 1) * columns]
            for (index, probability) in row.enumerated() {
                left -= probability
                if left < 0 { return Int32(index) }
            }
            // Rounding has left a rest.
            return Int32(row.indices.max { row[$0] < row[$1] }! - row.startIndex)
        }
    }
}

import Configuration
import Jets
import MPI
import NN
import Tensors

/// A downstream task on the outputs of a backbone: a head, a loss, and predictions with their figures of merit.
package protocol DownstreamTask: AnyObject {
    /// Terms of the loss, and the measures reported with them.
    var terms: [LossTerm] { get }
    /// True if batches must carry momenta.
    var needsMomenta: Bool { get }

    /// Number of items, or their summed weight, that each term is averaged over.
    func counts(_ batch: JetBatch) -> [Double]
    /// The sum of every term; `scales` are the factors of the sums in the total loss.
    func evaluate(
        _ encoded: EncodedJets, _ batch: JetBatch, phase: Phase, scales: [Float], on tape: Tape
    ) -> [Double]
    /// Predictions for some jets, with the truth to compare them with.
    func predict(_ encoded: EncodedJets, _ batch: JetBatch, on tape: Tape) -> Predictions
    /// Figures of merit of the predictions for all jets.
    func measures(of predictions: Predictions) -> [Measure]
    /// Figures of merit that are tables, row by row.
    func tables(of predictions: Predictions) -> [String: [[Double]]]

    /// As in `Objective`; most tasks need none of these.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    var state: ObjectiveState { get }
    func restore(_ state: ObjectiveState) throws
}

extension DownstreamTask {
    package var needsMomenta: Bool { false }
    package func tables(of predictions: Predictions) -> [String: [[Double]]] { [:] }
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    package var state: ObjectiveState { ObjectiveState() }
    package func restore(_ state: ObjectiveState) throws {}
}

/// Options of a downstream task: a row of `ObjectiveOptions.Name.downstreamTask`.
package protocol DownstreamTaskOptions: Sendable {
    /// Decodes the sections of the task from the root of a configuration. Throws `ConfigurationError`.
    init(root: Section) throws
    /// True if the classes of jets are learned.
    var needsClasses: Bool { get }
    /// Names of the required datasets with one integer for each constituent.
    var constituentLabels: [String] { get }
    /// The required numbers of each jet, in the order of `JetBatch.quantities`.
    var quantities: [JetQuantity] { get }
    /// The jets of the training files to use, if the task chooses them.
    func choice(seed: UInt64) -> JetChoice?
    /// Declares the head.
    func makeTask(_ context: DownstreamContext) -> any DownstreamTask
}

extension DownstreamTaskOptions {
    package var needsClasses: Bool { false }
    package var constituentLabels: [String] { [] }
    package var quantities: [JetQuantity] { [] }
    package func choice(seed: UInt64) -> JetChoice? { nil }
}

/// The arguments for building the head of a downstream task.
package struct DownstreamContext {
    /// Channels of the backbone's outputs.
    let width: Int
    let jets: JetShape
    let seed: UInt64
    /// Scope of the head's parameters.
    let scope: ParameterScope
}

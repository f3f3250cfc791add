import Jets
import Models
import MPI
import NN
import Tensors

/// One way to recover the dropped constituents from the decoder's outputs: a head, a target and a loss.
public protocol ReconstructionTask: AnyObject {
    /// The key in the configuration and the column in the metrics.
    var name: String { get }
    /// What the task counts in the total loss.
    var weight: Double { get }

    /// What the sum of the loss is divided by.
    func count(_ jets: MaskedConstituents) -> Double
    /// The summed loss over dropped constituents; `decoded` is what the network says of them, `[dropped, width]`.
    func loss(_ decoded: Variable, _ jets: MaskedConstituents, scale: Float, on tape: Tape) -> Double

    /// As in `Objective`; most tasks need none of these.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    var state: ObjectiveState { get }
    func restore(_ state: ObjectiveState) throws
}

extension ReconstructionTask {
    public func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    public var state: ObjectiveState { ObjectiveState() }
    public func restore(_ state: ObjectiveState) throws {}
}

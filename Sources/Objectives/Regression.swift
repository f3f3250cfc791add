import Configuration
import Models
import NN
import Tensors

/// Recovers the continuous features of every dropped constituent directly: a linear map and the L1 loss, averaged over
/// constituents and features.
public final class Regression: ReconstructionTask {
    /// `tasks.regression` of a configuration.
    public struct Options: Sendable, Equatable {
        public var weight = 1.0

        public init() {}

        public init(from section: Section) throws {
            weight = try section.double("weight", default: weight, in: 0...(.infinity))
        }
    }

    public static let name = "regression"
    public let weight: Double
    private let head: Linear

    public init(_ options: Options, width: Int, features: Int, in scope: ParameterScope) {
        weight = options.weight
        head = Linear(inputs: width, outputs: features, in: scope.scope("head"))
    }

    public func count(_ dropped: Constituents) -> Double { Double(dropped.values.count) }

    public func loss(_ decoded: Variable, _ dropped: Constituents, scale: Float, on tape: Tape) -> Double {
        tape.l1Loss(head(decoded, on: tape), target: dropped.values, scale: scale)
    }
}

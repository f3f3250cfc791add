import Configuration
import Models
import NN
import Tensors

/// Recovers the identity of every dropped constituent: a linear map to eight logits and cross-entropy.
public final class ParticleIdentification: ReconstructionTask {
    /// `tasks.particle_id` of a configuration.
    public struct Options: Sendable, Equatable {
        public var weight = 0.3
        public var labelSmoothing = 0.1

        public init() {}

        public init(from section: Section, labelSmoothing: Double = 0.1) throws {
            weight = try section.double("weight", default: weight, in: 0...(.infinity))
            self.labelSmoothing = try section.double("label_smoothing", default: labelSmoothing, in: 0...1)
        }
    }

    public let name = "particle_id"
    public let weight: Double
    private let labelSmoothing: Float
    private let head: Linear

    public init(_ options: Options, width: Int, identities: Int, in scope: ParameterScope) {
        weight = options.weight
        labelSmoothing = Float(options.labelSmoothing)
        head = Linear(inputs: width, outputs: identities, in: scope.scope("head"))
    }

    public func count(_ jets: MaskedConstituents) -> Double { Double(jets.dropped.offsets.tokens) }

    public func loss(_ decoded: Variable, _ jets: MaskedConstituents, scale: Float, on tape: Tape) -> Double {
        tape.crossEntropy(
            head(decoded, on: tape), target: jets.dropped.identities, smoothing: labelSmoothing, scale: scale)
    }
}

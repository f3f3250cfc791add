import Configuration
import Jets
import MPI
import Tensors

/// `class_weights` of the task `particle_id`: what a constituent of each identity counts in the loss.
package enum IdentityWeights: Sendable, Equatable {
    /// All alike.
    case equal
    /// Given numbers, one an identity.
    case given([Double])
    /// Inverse to how frequent the identity is in the data, N / (8 n), found at the start of a run; 0 for one that
    /// does not occur, which would rule the smoothed loss otherwise.
    case balanced

    /// Decodes the key. Throws `ConfigurationError`.
    init(from section: Section, key: String = "class_weights") throws {
        guard !section.isNull(key) else {
            self = .equal
            return
        }
        let word = "balanced"
        guard let weights = try section.optionalDoubles(key, in: .nonNegative, absent: word) else {
            self = .balanced
            return
        }
        guard weights.count == JetFeatures.identityNames.count, weights.contains(where: { $0 > 0 }) else {
            throw section.error(
                key,
                "expected '\(word)' or a weight for each of "
                    + JetFeatures.identityNames.joined(separator: ", ") + ", not all 0")
        }
        self = .given(weights)
    }

    /// The weights that some jets of the data ask for; collective, and the same on any number of ranks.
    static func balanced(
        in loader: JetLoader, jets: Int = 50_000, on communicator: Communicator
    ) throws -> Tensor {
        let kinds = JetFeatures.identityNames.count
        let own = try communicator.agree {
            var counts = [Int](repeating: 0, count: kinds)
            let steps = min(
                loader.stepsPerEpoch, (jets + loader.order.batchSize - 1) / loader.order.batchSize)
            for step in 0..<steps {
                for identity in try loader.batch(epoch: 0, step: step).identities {
                    counts[Int(identity)] += 1
                }
            }
            return counts
        }
        let counts = try communicator.allReduce(own)
        let total = Double(counts.reduce(0, +))
        return Tensor(counts.map { $0 == 0 ? 0 : Float(total / Double(kinds * $0)) }, shape: [kinds])
    }
}

import Configuration
import Jets
import MPI
import Tensors

/// `class_weights` of the task `particle_id`: weights of the identities in the loss.
package enum IdentityWeights: Sendable, Equatable {
    /// Equal weights.
    case equal
    /// Given weights, one for each identity.
    case given([Double])
    /// Weights inverse to the frequencies in the data (`Tensor.classWeights`), fitted at the start of a run.
    case balanced

    /// Decodes the key. Throws `ConfigurationError`.
    init(from section: Section) throws {
        let key = "class_weights"
        let help = "weights of the identities in the loss, or weights inverse to their frequencies"
        guard !section.isNull(key, help: help) else {
            self = .equal
            return
        }
        let word = "balanced"
        guard let weights = try section.optionalDoubles(key, in: .nonNegative, absent: word, help: help) else {
            self = .balanced
            return
        }
        guard weights.contains(where: { $0 > 0 }) else {
            throw section.error(key, "expected '\(word)' or a weight for each identity, not all 0")
        }
        self = .given(weights)
    }

    /// Throws `ConfigurationError` unless there is a weight for each of the identities of the data.
    ///
    /// - Parameter root: the root of the configuration.
    func check(_ identities: Identities, in root: Section) throws {
        guard case .given(let weights) = self, weights.count != identities.count else { return }
        throw try root.section("tasks").section(ParticleIdentification.Options.name).error(
            "class_weights",
            "has \(weights.count) weights; give one for each of " + identities.names.joined(separator: ", "))
    }

    /// Balanced weights of the first 50,000 jets, `[identities]`; collective, and the same on any number of ranks.
    static func balanced(in loader: JetLoader, on communicator: Communicator) throws -> Tensor {
        let identities = loader.preprocessing.features.identities
        let counts = try loader.histogram(bins: identities.count, ofFirst: 50_000, on: communicator) {
            $0.identities.map { Int($0) }
        }
        return Tensor.classWeights(balancing: counts)
    }
}

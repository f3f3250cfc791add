import Jets
import Models
import Tensors

/// Options of drawing constituents from a model.
package struct SamplingOptions: Sendable, Equatable {
    /// Integrates the velocities of flow matching.
    package var solver: ODESolver
    /// True to take the most likely class or token instead of a random one.
    package var takesMostLikely: Bool
    /// Divides the logits of classes and tokens before they are drawn; greater than 0.
    package var temperature: Float
    /// Number of the most likely classes or tokens from which one is drawn; nil for all.
    package var topK: Int?

    package init(
        solver: ODESolver = .midpoint(steps: 50), takesMostLikely: Bool = false, temperature: Float = 1,
        topK: Int? = nil
    ) {
        self.solver = solver
        self.takesMostLikely = takesMostLikely
        self.temperature = temperature
        self.topK = topK
    }
}

/// Recovered constituents, in the order of the dropped ones; nil for a part that a task does not predict.
package struct Reconstruction {
    /// Preprocessed features, `[dropped, features]`.
    package var values: Tensor?
    package var identities: [Int32]?

    package init(values: Tensor? = nil, identities: [Int32]? = nil) {
        self.values = values
        self.identities = identities
    }
}

/// An objective that recovers the dropped constituents of jets.
package protocol Reconstructor: AnyObject {
    /// Names of the tasks that recover features.
    var reconstructions: [String] { get }
    /// The classes of jets whose indices the labels of a batch must be; nil if labels are not used.
    var usedClasses: JetClasses? { get }

    /// Recovers the dropped constituents of some jets with each task of `reconstructions`. Throws `ODESolver.Failure`.
    func reconstruct(_ jets: MaskedJets, _ options: SamplingOptions) throws -> [Reconstruction]
}

extension Reconstructor {
    package var usedClasses: JetClasses? { nil }
}

/// An objective that generates whole jets.
package protocol JetGenerator: AnyObject {
    /// True if constituents are drawn as tokens, false if they are integrated by a solver.
    var drawsTokens: Bool { get }
    /// The classes of generated jets; nil if jets have none.
    var generatedClasses: JetClasses? { get }

    /// The class of the jets of some numbers, the chosen one or as often as in the data; nil if jets have no classes.
    ///
    /// Throws `ObjectiveError` if there are no such jets.
    func labels(ofGenerated jets: Range<Int>, seed: UInt64) throws -> [Int32]?

    /// Generates the jets of some numbers; number and seed are the key of a jet's random numbers.
    ///
    /// Throws `ODESolver.Failure`.
    ///
    /// - Parameters:
    ///   - labels: result of `labels(ofGenerated:seed:)`.
    ///   - constituents: constituents of every jet; nil draws their number from its distribution in the data, that of
    ///     the jets of its class.
    func generate(
        _ jets: Range<Int>, labels: [Int32]?, constituents: Int?, seed: UInt64, _ options: SamplingOptions
    ) throws -> Constituents
}

extension JetGenerator {
    package var generatedClasses: JetClasses? { nil }
    package func labels(ofGenerated jets: Range<Int>, seed: UInt64) throws -> [Int32]? { nil }
}

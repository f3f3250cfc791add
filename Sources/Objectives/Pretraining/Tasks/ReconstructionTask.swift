import Configuration
import Jets
import MPI
import NN
import Tensors

/// A task that recovers the dropped constituents from the outputs of a masked network: a head, a target and a loss.
package protocol ReconstructionTask: AnyObject {
    /// Key in the configuration and column in the metrics.
    var name: String { get }
    /// Weight in the total loss.
    var weight: Double { get }

    /// Number of items that the summed loss is divided by.
    func count(_ jets: MaskedJets) -> Double
    /// Loss summed over the dropped constituents.
    ///
    /// - Parameters:
    ///   - decoded: the network's outputs at the dropped constituents, `[dropped, width]`.
    ///   - scale: factor of this sum in the total loss.
    func loss(_ decoded: Variable, _ jets: MaskedJets, scale: Float, on tape: Tape) -> Double

    /// Recovers the dropped constituents, in the order of the jets; a random draw if the task models a distribution.
    ///
    /// Throws `ODESolver.Failure`.
    ///
    /// - Parameter decoded: the network's outputs at the dropped constituents, `[dropped, width]`.
    func sample(_ decoded: Tensor, _ jets: MaskedJets, _ options: SamplingOptions) throws -> Reconstruction

    /// Updates the task's state after the parameters, the same on every rank.
    func stepDidEnd(_ parameters: ParameterStore)

    /// As in `Objective`; most tasks need none of these.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    func useSyntheticTokens(_ points: (Int) -> Tensor) throws
    var state: ObjectiveState { get }
    func restore(_ state: ObjectiveState) throws
}

extension ReconstructionTask {
    package func stepDidEnd(_ parameters: ParameterStore) {}
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws {}
    package var state: ObjectiveState { ObjectiveState() }
    package func restore(_ state: ObjectiveState) throws {}
}

/// Version of masked particle modelling, on which defaults depend.
package enum MaskedParticleVersion: Sendable {
    /// Golling et al., arXiv:2401.13537.
    case v1
    /// Leigh et al., arXiv:2409.12589.
    case v2
}

/// Options of a reconstruction task: a row of `ReconstructionTasks.table`.
package protocol ReconstructionTaskOptions: Sendable {
    /// Key in the section `tasks`, name of the task, and prefix of its parameters and its state: `tasks.<name>`.
    static var name: String { get }
    /// The sentence about the section in the reference.
    static var help: String { get }
    /// True if the targets are codes of the VQ-VAE that the section `tokenizer` names.
    static var needsVQVAE: Bool { get }

    /// Decodes the section `tasks.<name>`. Throws `ConfigurationError`.
    init(from section: Section, version: MaskedParticleVersion) throws
    /// Declares the head.
    func makeTask(_ context: ReconstructionContext) -> any ReconstructionTask
}

extension ReconstructionTaskOptions {
    package static var needsVQVAE: Bool { false }
}

/// The arguments for building the head of a reconstruction task.
package struct ReconstructionContext {
    /// Channels of the network's outputs.
    let width: Int
    let jets: JetShape
    /// The trained VQ-VAE; nil unless a task needs it.
    let vqvae: (any Tokenizer)?
    /// Scope of the task's own parameters.
    let scope: ParameterScope
}

import Configuration
import Jets
import NN
import Tensors

/// Section `tasks` of a configuration: the reconstruction tasks of masked particle modelling, and the probe.
///
///     tasks[Regression.Options.self] = .init()
///     tasks[Regression.Options.self]?.weight = 2
package struct ReconstructionTasks: Sendable {
    /// All tasks, in the order of the loss terms. A new task is a file and its row here.
    static let table: [any ReconstructionTaskOptions.Type] = [
        ParticleIdentification.Options.self,
        Regression.Options.self,
        BinClassification.Options.self,
        KMeansTaskOptions.self,
        VQVAETaskOptions.self,
        ConditionalFlow.Options.self,
        ConditionalFlowMatching.Options.self,
    ]

    /// The tasks to train, in the order of the table.
    private var tasks: [any ReconstructionTaskOptions]
    /// Monitors the training; not a reconstruction task.
    package var probe: LinearProbe.Options?

    package init(
        _ tasks: [any ReconstructionTaskOptions] = [ParticleIdentification.Options(), KMeansTaskOptions()]
    ) {
        self.tasks = tasks
        sort()
    }

    /// Options of a task; nil leaves the task out.
    package subscript<Options: ReconstructionTaskOptions>(_ type: Options.Type) -> Options? {
        get { tasks.lazy.compactMap { $0 as? Options }.first }
        set {
            tasks.removeAll { $0 is Options }
            guard let newValue else { return }
            tasks.append(newValue)
            sort()
        }
    }

    private mutating func sort() {
        tasks = Self.table.flatMap { row in tasks.filter { type(of: $0).name == row.name } }
    }

    /// Decodes the section from the root of a configuration; a task is trained if its key is present.
    ///
    /// Throws `ConfigurationError`, also if there is no task.
    init(from root: Section, version: MaskedParticleVersion) throws {
        let section = try root.section("tasks")
        tasks = try Self.table.compactMap { row in
            try section.optionalSection(row.name, help: row.help).map { try row.init(from: $0, version: version) }
        }
        probe = try section.optionalSection("probe", help: "monitor the encoder with a linear probe of the jet classes")
            .map { try .init(from: $0) }
        guard tasks.isEmpty else { return }
        // Reports a misspelt task as an unknown key, which is the more helpful message.
        try section.finish()
        throw root.error(
            "tasks", "no task to train; give at least one of " + Self.table.map { $0.name }.joined(separator: ", "))
    }

    /// The VQ-VAE, if a task needs it. Throws `ConfigurationError` if it is missing.
    func required(_ tokenizer: VQVAEOptions?, _ root: Section) throws -> VQVAEOptions? {
        guard let name = tasks.lazy.map({ type(of: $0) }).first(where: { $0.needsVQVAE })?.name else { return nil }
        guard let tokenizer else {
            throw root.error("tasks", "\(name) needs the checkpoint of a VQ-VAE; set tokenizer.checkpoint")
        }
        return tokenizer
    }

    /// Declares the heads of the tasks.
    ///
    /// - Parameters:
    ///   - width: channels of the network's outputs.
    ///   - vqvae: the trained VQ-VAE; nil unless a task needs it.
    ///   - scope: the scope `tasks`.
    func makeTasks(
        width: Int, _ jets: JetShape, vqvae: (any Tokenizer)?, in scope: ParameterScope
    ) -> [any ReconstructionTask] {
        tasks.map { options in
            options.makeTask(
                ReconstructionContext(
                    width: width, jets: jets, vqvae: vqvae, scope: scope.scope(type(of: options).name)))
        }
    }
}

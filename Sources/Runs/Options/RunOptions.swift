import Configuration
import Foundation
import Jets
import NN
import Objectives

/// The decoded configuration of a training run.
///
///     let options = try RunOptions(Configuration(contentsOf: path), name: "quickstart")
package struct RunOptions: Sendable {
    package var seed: UInt64
    package var run: Run
    package var data: Data
    package var preprocessing: PreprocessingOptions
    package var objective: ObjectiveOptions
    /// Checkpoint of the pre-trained backbone of a downstream task.
    package var backbone: String?
    /// Checkpoint of the VQ-VAE whose codes are used.
    package var tokenizer: String?
    package var initialWeights: String?
    package var optimizer: Optimizer
    package var schedule: Schedule
    package var training: Training
    package var parallel: Parallel
    package var evaluate: Evaluate
    /// The file that the configuration was read from; nil for that of a checkpoint or a text.
    package var file: String?
    /// The complete configuration, with all defaults.
    package var configuration: Configuration

    /// The complete configuration as YAML.
    package var resolved: String { configuration.yaml }

    /// True if the model is applied with the moving average of its weights.
    package var evaluatesAverage: Bool { training.average?.isEvaluated == true }

    /// Creates the optimizer of the run, with the moving average of the weights where the run has one.
    ///
    /// - Parameter elements: the elements that this rank updates; nil for all.
    package func makeOptimizer(for parameters: ParameterStore, elements: ElementRanges? = nil) -> any NN.Optimizer {
        let result = optimizer.makeOptimizer(for: parameters, elements: elements)
        if let average = training.average { result.state.addAverage(decay: average.decay, of: parameters) }
        return result
    }

    /// Selection of the training jets.
    package var choice: JetChoice { objective.choice(seed: seed) ?? data.choice }

    /// Decodes a configuration. Throws `ConfigurationError`, which names the place, the key and the expected value.
    ///
    /// - Parameters:
    ///   - name: the default name of the run, whose default folder is `runs/<name>`.
    ///   - pretrained: configurations of the checkpoints that the run uses; they determine the model, the features and
    ///     the preprocessing.
    ///   - date: the start of the run.
    package init(
        _ configuration: Configuration, name: String, pretrained: Pretrained = .init(), date: Date = Date()
    ) throws {
        let configuration = configuration.withPresentNames
        let root = configuration.section()
        try self.init(from: root, of: configuration, name: name, pretrained: pretrained, date: date)
    }

    /// Decodes the root section of a configuration, which records the keys that were read.
    package init(
        from root: Section, of configuration: Configuration, name: String, pretrained: Pretrained = .init(),
        date: Date = Date()
    ) throws {
        seed = try root.seed()
        run = try Run(from: root, name: name, date: date)
        data = try Data(from: root.section("data"), seed: seed, pretrained: pretrained.source?.data)
        backbone = try root.backboneCheckpoint()
        tokenizer = try root.tokenizerCheckpoint()
        objective = try ObjectiveOptions(
            from: root, backbone: pretrained.backbone?.objective, tokenizer: pretrained.vqvae)
        try objective.check(data.features, in: root)
        if let source = pretrained.backbone, objective.fineTuning?.mode != .scratch,
            let part = source.objective.backbone?.fixedByMaxConstituents,
            source.data.maxConstituents != data.maxConstituents
        {
            throw try root.section("data").error(
                "max_constituents",
                "the backbone has \(part) of up to \(source.data.maxConstituents) constituents; leave the key out")
        }
        if objective.choice(seed: seed) != nil, data.choice.classes != nil || data.choice.jets != nil {
            throw try root.section("data").error(
                data.choice.jets != nil ? "jets" : "classes",
                "cwola selects the training jets by cwola.background_jets, cwola.signal_jets and their classes; "
                    + "leave the key out")
        }
        preprocessing = try PreprocessingOptions(
            from: root.section("preprocessing", .inherited),
            defaults: pretrained.source?.preprocessing ?? objective.name.preprocessing)
        if let source = pretrained.source, source.preprocessing.name != preprocessing.name {
            throw root.error(
                "preprocessing",
                "\(pretrained.backbone == nil ? "the VQ-VAE" : "the backbone") was trained with the "
                    + "preprocessing \(source.preprocessing.name.rawValue); leave the section out")
        }
        run.evaluated = try root.section("run").choice(
            "evaluate", default: objective.name.evaluated,
            help: "checkpoint to evaluate on `data.test` after the last step")
        initialWeights = try root.section("model").initialWeights()
        optimizer = try Optimizer(from: root.section("optimizer"))
        training = try Training(from: root.section("training"))
        schedule = try Schedule(from: root.section("schedule"), steps: training.steps)
        parallel = try Parallel(from: root.section("parallel"))
        evaluate = try Evaluate(from: root.section("evaluate"))
        if objective.name.isDownstream { root.ignore(Self.backboneKey) }
        try root.finish()
        // Without the checkpoint, as for the configuration of a run's own checkpoint, the section is kept.
        let backboneConfiguration =
            backbone == nil
            ? nil : pretrained.backboneConfiguration ?? configuration.section(under: Self.backboneKey)
        self.configuration = configuration.resolved(from: root).with(backboneConfiguration, under: Self.backboneKey)
    }

    /// Section of the complete configuration of a downstream task with that of the training of its backbone, which
    /// describes the run and is not read again.
    package static let backboneKey = "backbone_configuration"
}

/// Keys of the root that are read in several places.
extension Section {
    func seed() throws -> UInt64 {
        UInt64(
            try int(
                "seed", default: 0, in: .nonNegative,
                help: "seed of all random numbers: the same seed trains the same model on any number of ranks, apart "
                    + "from rounding"))
    }

    func backboneCheckpoint() throws -> String? {
        try optionalPath("backbone", help: "a checkpoint or an exported model whose backbone is used")
    }

    /// Of the section `model`.
    func initialWeights() throws -> String? {
        try optionalPath(
            "initial_weights",
            help: "a checkpoint or a safetensors file with the initial weights ([export](export.md))")
    }

    func tokenizerCheckpoint() throws -> String? {
        guard !isNull("tokenizer", .inherited, help: "the VQ-VAE whose codes are inputs or targets") else { return nil }
        return try section("tokenizer", .inherited).optionalPath(
            "checkpoint", help: "checkpoint or export of the VQ-VAE; it determines the other keys of the section")
    }
}

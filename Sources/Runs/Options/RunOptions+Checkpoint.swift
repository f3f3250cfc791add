import Configuration
import Foundation
import Jets
import Objectives
import System

extension RunOptions {
    /// Configurations of the checkpoints that a run builds on.
    package struct Pretrained: Sendable {
        /// Configuration of the checkpoint `backbone`.
        package var backbone: RunOptions?
        /// Complete configuration with which the backbone was trained.
        package var backboneConfiguration: Configuration?
        /// Configuration of the checkpoint `tokenizer.checkpoint`.
        package var tokenizer: RunOptions?

        /// The configuration that determines features and preprocessing.
        package var source: RunOptions? { backbone ?? tokenizer }
        /// The VQ-VAE that `tokenizer` contains: the trained one, or the one whose codes it uses.
        package var vqvae: VQVAEOptions? { tokenizer.flatMap { $0.objective.vqvae ?? $0.objective.usedTokenizer } }

        package init(backbone: RunOptions? = nil, tokenizer: RunOptions? = nil) {
            self.backbone = backbone
            backboneConfiguration = backbone?.configuration
            self.tokenizer = tokenizer
        }

        /// Reads the configurations of the checkpoints that a configuration names. If such a file no longer exists, the
        /// configuration of the run's own checkpoint is used, which includes all inherited values.
        ///
        /// Throws `KaonError` if neither exists or the checkpoint has the wrong objective, and `ConfigurationError` if
        /// the keys cannot be decoded.
        ///
        /// - Parameters:
        ///   - name: the default name of the run.
        ///   - date: the start of the run.
        package init(for configuration: Configuration, name: String, date: Date = Date()) throws {
            let root = configuration.section()
            let run = try RunOptions.Run(from: root, name: name, date: date)
            if let path = try root.backboneCheckpoint() {
                let (options, isOwn) = try Self.read(path, key: "backbone", for: run) {
                    $0.backbone == nil ? "which has no backbone; name that of another pre-training" : nil
                }
                backbone = options
                backboneConfiguration =
                    isOwn ? options.configuration.section(under: RunOptions.backboneKey) : options.configuration
            }
            tokenizer = try root.tokenizerCheckpoint().map { path in
                try Self.read(path, key: "tokenizer.checkpoint", for: run) {
                    $0.vqvae == nil ? "not of a VQ-VAE; name one that was trained with objective vqvae" : nil
                }.options
            }
        }

        /// Reads the configuration of a checkpoint, or that of the run's own checkpoint if the file no longer exists.
        ///
        /// - Parameter problem: the reason why an objective is not suitable; nil if it is.
        private static func read(
            _ path: String, key: String, for run: RunOptions.Run, problem: (ObjectiveOptions) -> String?
        ) throws -> (options: RunOptions, isOwn: Bool) {
            guard FileManager.default.fileExists(atPath: path) else {
                for own in run.checkpointCandidates {
                    if let options = try? RunOptions(ofCheckpoint: own) { return (options, true) }
                }
                throw KaonError("\(key): there is no checkpoint \(path); name one that 'kaon pretrain' has written")
            }
            let options = try RunOptions(ofCheckpoint: path)
            if let problem = problem(options.objective) {
                throw KaonError(
                    "\(key): \(path) is a checkpoint of \(options.objective.name.rawValue), \(problem)")
            }
            return (options, false)
        }
    }

    /// The configuration that a checkpoint was trained with, with overrides.
    ///
    /// Throws `HDF5Error` or `KaonError` if the checkpoint cannot be read, or is an export for another program, and
    /// `ConfigurationError` for invalid overrides.
    package init(ofCheckpoint path: String, overrides: [String] = []) throws {
        try ModelFile.checkIsForKaon(path)
        var configuration = try Configuration(ofCheckpoint: path)
        for override in overrides { try configuration.override(override) }
        try self.init(configuration, name: "unnamed")
    }
}

extension RunOptions.Run {
    /// The checkpoint that `run.resume` names.
    package var resumedCheckpoint: String? {
        if case .checkpoint(let path) = resume { path } else { nil }
    }

    /// The checkpoints that the run may continue from, in order of preference.
    package var checkpointCandidates: [String] {
        switch resume {
        case .auto: RunDirectory.checkpointCandidates(in: directory)
        case .checkpoint(let path): [path]
        case .never: []
        }
    }
}

extension ObjectiveOptions.Name {
    /// Default of `run.evaluate`. Weak supervision has no validation loss that identifies the best weights.
    package var evaluated: RunOptions.Run.Evaluated {
        self == .cwola ? .latest : isDownstream ? .best : .never
    }

    /// Default preprocessing of the features.
    package var preprocessing: PreprocessingOptions {
        var options = PreprocessingOptions()
        if self == .mpmV1 || self == .vqvae { options.name = .standard }
        return options
    }
}

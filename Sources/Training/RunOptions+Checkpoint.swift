import Configuration
import Foundation
import Jets
import Objectives

extension RunOptions {
    /// The configurations of the checkpoints that a run builds on.
    public struct Pretrained: Sendable {
        /// Of `backbone`.
        public var backbone: RunOptions?
        /// Of `tokenizer.checkpoint`.
        public var tokenizer: RunOptions?

        /// What features and preprocessing are taken from.
        var source: RunOptions? { backbone ?? tokenizer }

        public init(backbone: RunOptions? = nil, tokenizer: RunOptions? = nil) {
            self.backbone = backbone
            self.tokenizer = tokenizer
        }

        /// Reads the configurations of the checkpoints that a configuration names.
        ///
        /// Throws `TrainingError` where there is none, or one of another kind, and `ConfigurationError` where the keys
        /// cannot be read.
        public init(for configuration: Configuration) throws {
            let root = configuration.section()
            backbone = try root.optionalString("backbone").map { try Self.read($0, key: "backbone") }
            if let backbone, backbone.objective.backbone == nil {
                throw TrainingError(
                    "backbone: this is a checkpoint of \(backbone.objective.name.rawValue), which has no backbone")
            }
            guard !root.isNull("tokenizer") else { return }
            let key = "tokenizer.checkpoint"
            tokenizer = try root.section("tokenizer").optionalString("checkpoint").map { try Self.read($0, key: key) }
            if let tokenizer, tokenizer.objective.vqvae == nil {
                throw TrainingError(
                    "\(key): this is a checkpoint of \(tokenizer.objective.name.rawValue), not of a VQ-VAE")
            }
        }

        private static func read(_ path: String, key: String) throws -> RunOptions {
            guard FileManager.default.fileExists(atPath: path) else {
                throw TrainingError("\(key): there is no checkpoint \(path)")
            }
            return try RunOptions(ofCheckpoint: path)
        }
    }

    /// The configuration that a checkpoint was trained with, changed by overrides.
    ///
    /// Throws `HDF5Error` or `TrainingError` where there is no checkpoint, `ConfigurationError` where the overrides do
    /// not fit.
    public init(ofCheckpoint path: String, overrides: [String] = []) throws {
        var configuration = try Configuration(yaml: Checkpoint.configuration(of: path), name: path)
        for override in overrides { try configuration.override(override) }
        try self.init(configuration, name: "unnamed")
    }
}

extension ObjectiveOptions.Name {
    /// What is evaluated at the end unless the configuration says otherwise: weak supervision cannot tell its best
    /// weights.
    var evaluated: RunOptions.Run.Evaluated {
        self == .cwola ? .latest : isDownstream ? .best : .never
    }

    /// How the features are preprocessed unless the configuration says otherwise.
    var preprocessing: PreprocessingOptions {
        var options = PreprocessingOptions()
        if self == .mpmV1 || self == .vqvae { options.name = .standard }
        return options
    }
}

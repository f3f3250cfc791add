import Configuration
import Foundation
import Jets
import Objectives
import System

extension RunOptions {
    /// The configurations of the checkpoints that a run builds on.
    package struct Pretrained: Sendable {
        /// Of `backbone`.
        package var backbone: RunOptions?
        /// Of `tokenizer.checkpoint`.
        package var tokenizer: RunOptions?

        /// What features and preprocessing are taken from.
        package var source: RunOptions? { backbone ?? tokenizer }
        /// The VQ-VAE of `tokenizer`, or that which it uses itself.
        package var vqvae: VQVAEOptions? { tokenizer.flatMap { $0.objective.vqvae ?? $0.objective.usedTokenizer } }

        package init(backbone: RunOptions? = nil, tokenizer: RunOptions? = nil) {
            self.backbone = backbone
            self.tokenizer = tokenizer
        }

        /// Reads the configurations of the checkpoints that a configuration names; where one is gone, that of the
        /// run's own checkpoint stands in for it, which has all that the run has taken over.
        ///
        /// Throws `KaonError` where there is none, or one of another kind, and `ConfigurationError` where the keys
        /// cannot be read.
        ///
        /// - Parameters:
        ///   - name: that of the run.
        ///   - date: when it was started.
        package init(for configuration: Configuration, name: String, date: Date = Date()) throws {
            let root = configuration.section()
            let run = try RunOptions.Run(from: root, name: name, date: date)
            backbone = try root.backboneCheckpoint().map { path in
                try Self.read(path, key: "backbone", for: run) {
                    $0.backbone == nil ? "which has no backbone; name that of another pre-training" : nil
                }
            }
            tokenizer = try root.tokenizerCheckpoint().map { path in
                try Self.read(path, key: "tokenizer.checkpoint", for: run) {
                    $0.vqvae == nil ? "not of a VQ-VAE; name one that was trained with objective vqvae" : nil
                }
            }
        }

        /// - Parameter complaint: what is wrong with an objective, if anything.
        private static func read(
            _ path: String, key: String, for run: RunOptions.Run, complaint: (ObjectiveOptions) -> String?
        ) throws -> RunOptions {
            guard FileManager.default.fileExists(atPath: path) else {
                for own in run.checkpointCandidates {
                    if let options = try? RunOptions(ofCheckpoint: own) { return options }
                }
                throw KaonError("\(key): there is no checkpoint \(path); name one that 'kaon pretrain' has written")
            }
            let options = try RunOptions(ofCheckpoint: path)
            if let complaint = complaint(options.objective) {
                throw KaonError(
                    "\(key): \(path) is a checkpoint of \(options.objective.name.rawValue), \(complaint)")
            }
            return options
        }
    }

    /// The configuration that a checkpoint was trained with, changed by overrides.
    ///
    /// Throws `HDF5Error` or `KaonError` where there is no checkpoint, `ConfigurationError` where the overrides do
    /// not fit.
    package init(ofCheckpoint path: String, overrides: [String] = []) throws {
        var configuration = try Configuration(yaml: Checkpoint.configuration(of: path), name: path)
        for override in overrides { try configuration.override(override) }
        try self.init(configuration, name: "unnamed")
    }
}

extension RunOptions.Run {
    /// The checkpoints that the run may continue from, the one to prefer first.
    package var checkpointCandidates: [String] {
        switch resume {
        case .auto: RunDirectory.checkpointCandidates(in: directory)
        case .checkpoint(let path): [path]
        case .never: []
        }
    }
}

extension ObjectiveOptions.Name {
    /// What is evaluated at the end unless the configuration says otherwise: weak supervision cannot tell its best
    /// weights.
    package var evaluated: RunOptions.Run.Evaluated {
        self == .cwola ? .latest : isDownstream ? .best : .never
    }

    /// How the features are preprocessed unless the configuration says otherwise.
    package var preprocessing: PreprocessingOptions {
        var options = PreprocessingOptions()
        if self == .mpmV1 || self == .vqvae { options.name = .standard }
        return options
    }
}

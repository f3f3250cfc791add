import Configuration
import Runs
import System
import Training

/// The keys of a checkpoint's configuration that have an effect on a command which uses its model. Overrides of other
/// keys are refused, so that none is ignored.
enum CheckpointKeys: Sendable {
    case evaluate, encode, generate, reconstruct

    private static let common = [
        "seed", "training.micro_batch_size", "training.average.evaluate", "parallel.threads",
    ]
    private static let jets = ["data.test"] + EvaluationSettings.jets
    private static let losses = EvaluationSettings.losses

    private var keys: [String] {
        switch self {
        case .evaluate:
            Self.jets + Self.common
                + [
                    "evaluate", "training.batch_size", "parallel.precision", "parallel.deterministic",
                    "parallel.virtual_shards",
                ]
                + Self.losses
        case .encode, .reconstruct: Self.jets + Self.common
        case .generate: Self.common + ["data.max_constituents", "generate"]
        }
    }

    /// True if a key has an effect on the command.
    func contains(_ key: String) -> Bool { keys.contains { key == $0 || key.hasPrefix($0 + ".") } }

    private var command: String {
        switch self {
        case .evaluate: "kaon evaluate"
        case .encode: "kaon encode"
        case .generate: "kaon generate without --reconstruct"
        case .reconstruct: "kaon generate --reconstruct"
        }
    }

    /// The configuration of a checkpoint with overrides.
    ///
    /// Throws `KaonError` if a key has no effect, and as `RunOptions.init(ofCheckpoint:overrides:)`.
    func options(of checkpoint: String, overrides: [String]) throws -> RunOptions {
        let options = try RunOptions(ofCheckpoint: checkpoint, overrides: overrides)
        for override in overrides {
            for key in try Self.keys(of: override) where !isEffective(key, checkpoint) {
                throw refusal(of: key)
            }
        }
        try checkMaxConstituents(options, of: checkpoint)
        return options
    }

    /// Throws `KaonError` if `data.max_constituents` is not that of a checkpoint whose model it shapes.
    private func checkMaxConstituents(_ options: RunOptions, of checkpoint: String) throws {
        let objective = options.objective
        let part = self == .encode ? objective.backbone?.fixedByMaxConstituents : objective.fixedByMaxConstituents
        guard let part else { return }
        let (given, trained) = (
            options.data.maxConstituents, try RunOptions(ofCheckpoint: checkpoint).data.maxConstituents
        )
        guard given != trained else { return }
        throw KaonError(
            "data.max_constituents is \(given), but \(checkpoint) has \(part) of up to \(trained) constituents: leave "
                + "the key out")
    }

    /// The keys that an override sets or deletes.
    private static func keys(of override: String) throws -> [Configuration.Setting] {
        var configuration = try Configuration(yaml: "")
        try configuration.override(override.hasPrefix("~") ? "\(override.dropFirst())=null" : override)
        return configuration.settings
    }

    private func isEffective(_ key: Configuration.Setting, _ checkpoint: String) -> Bool {
        if key.isIn(keys) { return true }
        // An imported model may lack its preprocessing, which is then fitted to the jets.
        return key.isIn(["preprocessing"]) && self != .generate
            && (try? ModelFile.state(of: checkpoint).preprocessing) == nil
    }

    private func refusal(of setting: Configuration.Setting) -> KaonError {
        let key = setting.key
        if key == "data.jets", self == .encode {
            return KaonError(
                "data.jets selects training jets; kaon encode writes all jets of data.test: leave the key out")
        }
        if key == "data.jets", self == .evaluate {
            return KaonError(
                "data.jets selects training jets; kaon evaluate uses all jets of data.test: leave the key out")
        }
        if key == "data.jets", self == .reconstruct {
            return KaonError(
                "data.jets selects training jets; kaon generate --reconstruct uses the first --jets of data.test: "
                    + "leave the key out")
        }
        let main = keys.filter { !Self.losses.contains($0) }
        return KaonError(
            "\(key) has no effect on \(command): leave the key out; those with an effect are "
                + main.joined(separator: ", ") + (main == keys ? "" : ", masking and the parameters of losses"))
    }
}

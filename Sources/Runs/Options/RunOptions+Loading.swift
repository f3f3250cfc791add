import Configuration
import Foundation
import MPI
import Supervision
import System

extension RunOptions {
    /// Commands that train.
    package enum Command: String, Sendable {
        case pretrain, finetune
    }

    /// Reads a configuration file with its overrides. The default name of the run is that of the file without
    /// extension. Collective; all ranks throw the same error.
    ///
    /// - Parameter command: the command that must match the objective; nil for any.
    package static func configuration(
        _ path: String, overrides: [String], for command: Command? = nil, on communicator: Communicator
    ) throws -> RunOptions {
        // The run folder may be named after the date, which must be the same on all ranks.
        let date = Date(timeIntervalSince1970: try communicator.broadcast([Launch.begin.timeIntervalSince1970])[0])
        return try communicator.agree {
            var configuration = try Configuration(contentsOf: path)
            for override in overrides { try configuration.override(override) }
            let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
            configuration = configuration.withPresentNames
            try configuration.adoptAddedKeys(name: name, date: date)
            var options = try RunOptions(
                configuration, name: name,
                pretrained: RunOptions.Pretrained(for: configuration, name: name, date: date),
                date: date)
            options.file = path
            try options.objective.checkTokenizer(in: configuration.section())
            let expected = options.objective.name.isDownstream ? Command.finetune : .pretrain
            guard command == nil || command == expected else {
                throw KaonError(
                    "\(path): objective \(options.objective.name.rawValue) is trained by 'kaon \(expected)'")
            }
            return options
        }
    }

    /// The k-means model of the paper with overrides, for `kaon bench` without a file. Collective.
    package static func benchmarkConfiguration(
        overrides: [String], on communicator: Communicator
    ) throws -> RunOptions {
        try communicator.agree {
            var configuration = try Configuration(
                yaml: "{data: {train: synthetic}, tasks: {particle_id: {}, kmeans: {}}}",
                name: "the benchmark")
            for override in overrides { try configuration.override(override) }
            return try RunOptions(configuration, name: "benchmark")
        }
    }
}

extension Configuration {
    /// Takes the added keys that are left out from the checkpoint that the run continues from, or else from the whole
    /// model that `model.initial_weights` names.
    fileprivate mutating func adoptAddedKeys(name: String, date: Date) throws {
        let root = section()
        let run = try RunOptions.Run(from: root, name: name, date: date)
        let weights = try root.section("model").initialWeights().flatMap { ModelFile.isWholeModel($0) ? $0 : nil }
        let sources = run.checkpointCandidates.map { ($0, true) } + [weights].compactMap { $0.map { ($0, false) } }
        for (path, continues) in sources {
            guard let checkpoint = try? Configuration(ofCheckpoint: path) else { continue }
            return try adoptAddedKeys(of: checkpoint, continues: continues)
        }
    }
}

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
            let options = try RunOptions(
                configuration, name: name,
                pretrained: RunOptions.Pretrained(for: configuration, name: name, date: date),
                date: date)
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

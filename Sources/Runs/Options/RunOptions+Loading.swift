import Configuration
import Foundation
import MPI
import Supervision
import System

extension RunOptions {
    /// The commands that train.
    package enum Command: String, Sendable {
        case pretrain, finetune
    }

    /// Reads a configuration with its overrides on every rank; all fail alike. The name of the file without
    /// its extension names the run.
    ///
    /// - Parameter command: the command that has to fit the objective; nil where any does.
    package static func configuration(
        _ path: String, overrides: [String], for command: Command? = nil, on communicator: Communicator
    ) throws -> RunOptions {
        // A folder may be named after the day, which must not begin for some ranks only.
        let date = Date(timeIntervalSince1970: try communicator.broadcast([Launch.begin.timeIntervalSince1970])[0])
        return try communicator.agree {
            var configuration = try Configuration(contentsOf: path)
            for override in overrides { try configuration.override(override) }
            let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
            let options = try RunOptions(
                configuration, name: name, pretrained: RunOptions.Pretrained(for: configuration, name: name, date: date),
                date: date)
            let fitting = options.objective.name.isDownstream ? Command.finetune : .pretrain
            guard command == nil || command == fitting else {
                throw KaonError(
                    "\(path): objective \(options.objective.name.rawValue) is trained by 'kaon \(fitting)'")
            }
            return options
        }
    }

    /// The paper's k-means model with overrides, for a benchmark without a file.
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

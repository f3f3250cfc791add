import Configuration
import Foundation
import HDF5
import MPI
import Runs
import Supervision
import System

/// The checkpoint that a run continues from, if any; the same on all ranks.
package struct StartingPoint {
    package let checkpoint: String?
    /// True if the checkpoint is in the run directory itself, so that the metrics there belong to it.
    package let isOwn: Bool

    /// The first step, whatever the run directory contains.
    package static let firstWeights = StartingPoint(checkpoint: nil, isOwn: true)

    private init(checkpoint: String?, isOwn: Bool) { (self.checkpoint, self.isOwn) = (checkpoint, isOwn) }

    /// Searches the run directory on rank 0; collective.
    package init(_ options: RunOptions, in context: RunContext) throws {
        let communicator = context.communicator
        let found = try communicator.onRoot { try Self.find(options, context.console) }
        let path = try communicator.broadcast(found?.path ?? "")
        checkpoint = path.isEmpty ? nil : path
        isOwn = try communicator.broadcast([found?.isOwn == true ? 1 : 0])[0] == 1
    }

    private static func find(_ options: RunOptions, _ console: Console) throws -> (path: String, isOwn: Bool) {
        let directory = options.run.directory
        let latest = RunDirectory.latestCheckpoint(in: directory)
        func refusal(_ resume: String, _ advice: String) -> KaonError {
            KaonError("run.resume is \(resume), but \(options.run.directory) already holds \(latest!); \(advice)")
        }
        switch options.run.resume {
        case .auto:
            return (try undamaged(in: directory)?.reported(on: console) ?? "", true)
        case .checkpoint(let path):
            guard !ExportedModel.isExport(path) else {
                throw KaonError(
                    "run.resume: \(path) is an exported model, which a run cannot resume from; start a new run with "
                        + "its weights: model.initial_weights")
            }
            if let own = try continuation(of: path, options) {
                console.say(
                    "run.resume: this run has continued \(path) up to \(own.path); to start from it again, give "
                        + "run.directory another folder")
                return (own.reported(on: console), true)
            }
            guard FileManager.default.fileExists(atPath: path) else {
                throw KaonError(
                    "run.resume: there is no checkpoint \(path); run.resume=auto continues from the latest one of "
                        + "run.directory")
            }
            func folder(_ path: String) -> URL {
                URL(fileURLWithPath: path).resolvingSymlinksInPath().deletingLastPathComponent()
            }
            let isOwn = folder(path) == folder(directory + "/checkpoints/step")
            if !isOwn, latest != nil {
                throw refusal(path, "continue that with run.resume=auto, or give run.directory another folder")
            }
            return (path, isOwn)
        case .never:
            if latest != nil {
                throw refusal("never", "remove the run or give run.directory another folder")
            }
            return ("", true)
        }
    }

    /// A readable checkpoint of the run folder.
    private struct Undamaged {
        let path: String
        /// The reasons against those that come before it.
        let damages: [String]

        /// The path, after warnings of the damages.
        func reported(on console: Console) -> String {
            for damage in damages { console.warn("a checkpoint is damaged: \(damage)") }
            if !damages.isEmpty { console.warn("the run goes back to \(path)") }
            return path
        }
    }

    /// The latest checkpoint of the run folder, if an earlier start with the same `run.resume` has written it after
    /// more steps. Throws `HDF5Error` if the system cannot deliver it.
    private static func continuation(of resumed: String, _ options: RunOptions) throws -> Undamaged? {
        let key = "run.resume"
        do {
            guard let own = try undamaged(in: options.run.directory),
                try Configuration(ofCheckpoint: own.path).value(of: key) == options.configuration.value(of: key),
                try Checkpoint.step(of: own.path) > (try? Checkpoint.step(of: resumed)) ?? 0
            else { return nil }
            return own
        } catch is KaonError {
            return nil
        }
    }

    /// The first readable checkpoint of the run; nil if it has none.
    ///
    /// Throws `KaonError` if all are damaged, and `HDF5Error` if the system cannot deliver an existing file: that may
    /// be temporary, and an older checkpoint would throw away the training since.
    private static func undamaged(in directory: String) throws -> Undamaged? {
        let candidates = RunDirectory.checkpointCandidates(in: directory)
        var damages: [String] = []
        for path in candidates {
            do {
                try Checkpoint.verify(path)
                return Undamaged(path: path, damages: damages)
            } catch let error as HDF5Error where [nil, ENOENT].contains(error.systemError) {
                damages.append("\(error)")
            }
        }
        guard let damage = damages.first else { return nil }
        let count = candidates.count
        throw KaonError(
            "\(count == 1 ? "the only checkpoint" : "each of the \(count) checkpoints") of \(directory) is "
                + "damaged: \(damage); restore a copy of one, or remove the folder to start the run from scratch")
    }
}

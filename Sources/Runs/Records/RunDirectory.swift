import Foundation
import HDF5
import System

/// Directory of a run: `config.yaml`, `metrics.csv`, `kaon.log`, `checkpoints/`. Only rank 0 writes to it.
///
/// A lock, which the system releases when the process ends, keeps a second run out.
package final class RunDirectory: Sendable {
    package let path: String
    private let lock: FileLock

    /// Creates the folder if needed and takes the lock. Throws `KaonError` if it is not writable or another run uses
    /// it.
    package init(_ path: String) throws {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path + "/checkpoints", withIntermediateDirectories: true)
        } catch {
            throw KaonError("cannot create the run directory \(path): \(reason(error))")
        }
        let lockPath = path + "/.lock"
        let lock: FileLock?
        do {
            lock = try FileLock(path: lockPath)
        } catch {
            throw KaonError("cannot write to the run directory \(path): \(reason(error))")
        }
        guard let lock else {
            let owner = (try? String(contentsOfFile: lockPath, encoding: .utf8)) ?? ""
            throw KaonError(
                "the run directory \(path) is in use by another run\(owner.isEmpty ? "" : " (\(owner))"); "
                    + "wait for it, or give run.directory another folder")
        }
        self.lock = lock
        lock.write("process \(getpid()) on \(ProcessInfo.processInfo.hostName)")
        removeUnfinishedFiles()
    }

    /// Throws `KaonError` if a run could not write to the folder, or would replace a file there that kaon has not
    /// written; nothing is created.
    package static func check(_ path: String) throws {
        for folder in [path, path + "/checkpoints", path + "/evaluation"] {
            guard let reason = reasonAgainstWriting(to: folder) else { continue }
            throw KaonError("cannot create the run directory \(path): \(reason)")
        }
        for name in ["config.yaml", "metrics.csv", "fitted.h5"] {
            let file = path + "/" + name
            guard let start = try? FileHandle(forReadingAtPath: file)?.read(upToCount: 64) else { continue }
            if isForeign(start, name) { throw foreignFile(file) }
        }
    }

    /// True if the first bytes of a file show that kaon has not written it, not even before it was damaged or cut.
    private static func isForeign(_ start: Data, _ name: String) -> Bool {
        func differs(from beginning: String) -> Bool { zip(start, beginning.utf8).contains { $0 != $1 } }
        return switch name {
        case "config.yaml": differs(from: Provenance.firstBytes)
        case "metrics.csv": differs(from: "step,epoch,jets,")
        // kaon writes a seal before the signature of HDF5.
        default: start.starts(with: [0x89] + Array("HDF".utf8))
        }
    }

    /// The error about a file that kaon has not written and a run would replace.
    package static func foreignFile(_ path: String) -> KaonError {
        KaonError(
            "\(path) was not written by kaon, and the run would replace it; give run.directory another folder, or move "
                + "the file")
    }

    /// Removes temporary files of a killed run, but not those of evaluations, of which one may be running.
    private func removeUnfinishedFiles() {
        for folder in [path, path + "/checkpoints"] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            for name in names where name.hasPrefix(".") && name.hasSuffix(".tmp") {
                unlink(folder + "/" + name)
            }
        }
    }

    package var metrics: String { path + "/metrics.csv" }
    package var log: String { path + "/kaon.log" }

    /// Path of the trace of some steps of a rank.
    package static func trace(rank: Int, steps: ClosedRange<Int>, in path: String) -> String {
        "\(path)/trace-steps-\(steps.lowerBound)-\(steps.upperBound).rank-\(rank).json"
    }

    package func checkpoint(step: Int) -> String { Self.checkpoint(step: step, in: path) }

    private static func checkpoint(step: Int, in path: String) -> String {
        path + "/checkpoints/step-" + String(format: "%08d", step) + ".h5"
    }

    /// The checkpoint to continue from, if any: the target of `checkpoints/latest`, or that file itself if copying the
    /// folder has turned the link into a file; without it the checkpoint with the most steps.
    package var latestCheckpoint: String? { Self.latestCheckpoint(in: path) }

    /// The same for any folder, which may be missing.
    package static func latestCheckpoint(in path: String) -> String? {
        let folder = path + "/checkpoints/"
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "latest") {
            return target.hasPrefix("/") ? target : folder + target
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        if names.contains("latest") { return folder + "latest" }
        return checkpointSteps(in: path).last.map { checkpoint(step: $0, in: path) }
    }

    /// The checkpoints to continue from, in order of preference: `latestCheckpoint`, those with fewer steps, then those
    /// with more, which may be left from an abandoned continuation of the run.
    package var checkpointCandidates: [String] { Self.checkpointCandidates(in: path) }

    /// The same for any folder, which may be missing; callable on every rank.
    package static func checkpointCandidates(in path: String) -> [String] {
        guard let latest = latestCheckpoint(in: path) else { return [] }
        let paths = checkpointSteps(in: path).reversed().map { checkpoint(step: $0, in: path) }
        guard let place = paths.firstIndex(of: latest) else { return [latest] + paths }
        return Array(paths[place...] + paths[..<place])
    }

    /// The checkpoint of a run to apply: `checkpoints/best` if there is one and it `isPreferred`, otherwise
    /// `checkpoints/latest`, or without the link the checkpoint with the most steps; nil if there is none.
    package static func finalCheckpoint(in path: String, best isPreferred: Bool) -> String? {
        let links = (isPreferred ? ["best", "latest"] : ["latest"]).map { path + "/checkpoints/" + $0 }
        return (links + checkpointCandidates(in: path)).first { FileManager.default.fileExists(atPath: $0) }
    }

    /// The most steps of a checkpoint of a run; nil without one.
    package static func lastStep(in path: String) -> Int? { checkpointSteps(in: path).last }

    /// Steps of the checkpoints in a folder, ascending.
    private static func checkpointSteps(in path: String) -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path + "/checkpoints")) ?? []
        return names.compactMap { $0.wholeMatch(of: /step-(\d{8,18})\.h5/).map { Int($0.1)! } }.sorted()
    }

    /// Points `checkpoints/latest` to a checkpoint, atomically.
    package func setLatest(step: Int) throws { try setLink("latest", step: step) }

    /// Points `checkpoints/best` to a checkpoint, atomically.
    package func setBest(step: Int) throws { try setLink("best", step: step) }

    /// Makes `checkpoints/best` that of a run that continues, which may be an earlier one if the run was continued
    /// before in another way: the link points to `best`, or is removed if the folder no longer has that checkpoint.
    /// Returns `best`, or nil if it was removed.
    ///
    /// Throws `KaonError`, and `HDF5Error` if the system cannot deliver an existing file.
    func restoreBest(_ best: TrainingState.Best?) throws -> TrainingState.Best? {
        let link = path + "/checkpoints/best"
        if let best {
            if try Self.isBest(checkpoint(step: best.step), best) {
                try setBest(step: best.step)
                return best
            }
            // Copying the folder may have turned the link into a file.
            if try Self.isBest(link, best) { return best }
        }
        if unlink(link) != 0, errno != ENOENT { throw KaonError("cannot remove \(link): \(systemReason())") }
        return nil
    }

    /// True if a file is the checkpoint that a run has recorded as its best, and not one of the same step of another
    /// continuation.
    private static func isBest(_ path: String, _ best: TrainingState.Best) throws -> Bool {
        guard FileManager.default.fileExists(atPath: path) else { return false }
        do {
            let found = try Checkpoint.best(of: path)
            return found?.step == best.step && (found?.loss == best.loss || best.loss == .infinity)
        } catch let error as HDF5Error where [nil, ENOENT].contains(error.systemError) {
            return false
        } catch is KaonError {
            return false
        }
    }

    private func setLink(_ name: String, step: Int) throws {
        let target = URL(fileURLWithPath: checkpoint(step: step)).lastPathComponent
        try linkAtomically(path + "/checkpoints/" + name, to: target)
    }

    /// Removes old checkpoints after that of `step` is complete and the latest.
    ///
    /// Kept are the last `count` up to it, those at multiples of `interval`, the best, the one that `run.resume` names,
    /// which the same command needs again, and those with more steps, which belong to another continuation of the run.
    /// Failures are ignored: the file only takes space.
    package func removeCheckpoints(
        before step: Int, keepingLast count: Int, every interval: Int?, best: Int?, resumed: String? = nil
    ) {
        func file(_ path: String) -> URL { URL(fileURLWithPath: path).resolvingSymlinksInPath() }
        let resumed = resumed.map(file)
        let old = Self.checkpointSteps(in: path).filter { $0 <= step }.dropLast(max(1, count))
        for old in old where old != best && (interval.map { old % $0 != 0 } ?? true) {
            let path = checkpoint(step: old)
            if file(path) != resumed { unlink(path) }
        }
    }

    /// Throws `KaonError` if the folder that this run has locked was removed or replaced.
    package func checkIsOwn() throws {
        guard lock.isInPlace else { throw KaonError("the run directory \(path) was removed or replaced") }
    }

    /// Free space for checkpoints, in words.
    package var freeSpace: String {
        guard let bytes = System.freeSpace(at: path) else { return "the free space is not known" }
        return "\(rounded(bytes / 1e6, decimals: bytes < 1e7 ? 2 : 0)) MB are free there"
    }

    /// Writes `config.yaml`, with the provenance in comments at the top.
    package func write(configuration: String, provenance: Provenance) throws {
        try writeAtomically(provenance.header() + configuration, to: path + "/config.yaml")
    }
}

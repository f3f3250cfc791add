import Foundation

/// The folder of a run: `config.yaml`, `metrics.csv`, `kaon.log`, `checkpoints/`. Rank 0 alone touches it.
///
/// A lock, released by the system when the process ends however it ends, keeps a second run out.
package final class RunDirectory {
    package let path: String
    private let lock: Int32

    /// Creates the folder where needed and takes the lock; throws `TrainingError` when it cannot be written
    /// to or another run uses it.
    package init(_ path: String) throws {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path + "/checkpoints", withIntermediateDirectories: true)
        } catch {
            throw TrainingError("cannot create the run directory \(path): \(reason(error))")
        }
        let lockPath = path + "/.lock"
        lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard lock >= 0 else {
            throw TrainingError("cannot write to the run directory \(path): \(systemReason())")
        }
        if flock(lock, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            let owner = (try? String(contentsOfFile: lockPath, encoding: .utf8)) ?? ""
            throw TrainingError(
                "the run directory \(path) is in use by another run\(owner.isEmpty ? "" : " (\(owner))"); "
                    + "wait for it, or give run.directory another folder")
        }
        let owner = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)"
        ftruncate(lock, 0)
        _ = owner.withCString { pwrite(lock, $0, strlen($0), 0) }
        removeUnfinishedFiles()
    }

    deinit { close(lock) }

    /// What a killed run was about to write would only take space.
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

    package func checkpoint(step: Int) -> String {
        path + "/checkpoints/step-" + String(format: "%08d", step) + ".h5"
    }

    /// The checkpoint to continue from, if there is one: what `checkpoints/latest` points to, or is, where a
    /// copy of the folder turned the link into a file; without it the one of the most steps.
    package var latestCheckpoint: String? {
        let folder = path + "/checkpoints/"
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "latest") {
            return target.hasPrefix("/") ? target : folder + target
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        if names.contains("latest") { return folder + "latest" }
        return names.filter { $0.hasPrefix("step-") && $0.hasSuffix(".h5") }.max().map { folder + $0 }
    }

    /// Lets `checkpoints/latest` point to a checkpoint, atomically.
    package func setLatest(step: Int) throws {
        let link = path + "/checkpoints/latest"
        let temporary = link + ".tmp"
        unlink(temporary)
        let target = URL(fileURLWithPath: checkpoint(step: step)).lastPathComponent
        guard symlink(target, temporary) == 0, rename(temporary, link) == 0 else {
            throw TrainingError("cannot update \(link): \(systemReason())")
        }
        try synchronizeDirectory(path + "/checkpoints")
    }

    /// Writes `config.yaml`.
    package func write(configuration: String) throws {
        try writeAtomically(configuration, to: path + "/config.yaml")
    }
}

/// Replaces a small text file so that a reader sees the old or the new one, never a part.
func writeAtomically(_ text: String, to path: String) throws {
    let temporary = path + ".tmp"
    do {
        try Data(text.utf8).write(to: URL(fileURLWithPath: temporary))
    } catch {
        throw TrainingError("cannot write \(path): \(reason(error))")
    }
    try synchronizeFile(temporary)
    guard rename(temporary, path) == 0 else {
        throw TrainingError("cannot write \(path): \(systemReason())")
    }
}

/// Brings a file's content to the disk.
func synchronizeFile(_ path: String) throws {
    try synchronize(path, flags: O_RDONLY)
}

/// Brings a directory's entries to the disk.
func synchronizeDirectory(_ path: String) throws {
    try synchronize(path, flags: O_RDONLY | O_DIRECTORY)
}

private func synchronize(_ path: String, flags: Int32) throws {
    let descriptor = open(path, flags)
    defer { close(descriptor) }
    guard descriptor >= 0, fsync(descriptor) == 0 else {
        throw TrainingError("cannot bring \(path) to the disk: \(systemReason())")
    }
}

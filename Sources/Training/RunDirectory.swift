import Foundation

/// The folder of a run: `config.yaml`, `metrics.csv`, `kaon.log`, `checkpoints/`. Rank 0 alone touches it.
///
/// A lock, released by the system when the process ends however it ends, keeps a second run out.
final class RunDirectory {
    let path: String
    private let lock: Int32

    /// Creates the folder where needed and takes the lock; throws `TrainingError` when it cannot be written to or
    /// another run uses it.
    init(_ path: String) throws {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path + "/checkpoints", withIntermediateDirectories: true)
        } catch {
            throw TrainingError("cannot create the run directory \(path): \(Self.reason(error))")
        }
        let lockPath = path + "/.lock"
        lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard lock >= 0 else {
            throw TrainingError("cannot write to the run directory \(path): \(String(cString: strerror(errno)))")
        }
        if flock(lock, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            let owner = (try? String(contentsOfFile: lockPath, encoding: .utf8)) ?? ""
            close(lock)
            throw TrainingError(
                "the run directory \(path) is in use by another run\(owner.isEmpty ? "" : " (\(owner))"); "
                    + "wait for it, or give run.directory another folder")
        }
        let owner = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)"
        ftruncate(lock, 0)
        _ = owner.withCString { pwrite(lock, $0, strlen($0), 0) }
    }

    deinit { close(lock) }

    var metrics: String { path + "/metrics.csv" }
    var log: String { path + "/kaon.log" }
    var fitted: String { path + "/fitted.h5" }

    func checkpoint(step: Int) -> String {
        path + "/checkpoints/step-" + String(format: "%08d", step) + ".h5"
    }

    /// The checkpoint to continue from, if there is one.
    var latestCheckpoint: String? {
        let link = path + "/checkpoints/latest"
        guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: link) else { return nil }
        return path + "/checkpoints/" + target
    }

    /// Lets `checkpoints/latest` point to a checkpoint, atomically.
    func setLatest(step: Int) throws {
        let link = path + "/checkpoints/latest"
        let temporary = link + ".tmp"
        unlink(temporary)
        let target = URL(fileURLWithPath: checkpoint(step: step)).lastPathComponent
        guard symlink(target, temporary) == 0, rename(temporary, link) == 0 else {
            throw TrainingError("cannot update \(link): \(String(cString: strerror(errno)))")
        }
        try synchronizeDirectory(path + "/checkpoints")
    }

    /// Writes `config.yaml`.
    func write(configuration: String) throws {
        try writeAtomically(configuration, to: path + "/config.yaml")
    }

    private static func reason(_ error: any Error) -> String {
        let posix = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        return posix.map { String(cString: strerror(Int32($0.code))) } ?? "\(error)"
    }
}

/// Replaces a small text file so that a reader sees the old or the new one, never a part.
func writeAtomically(_ text: String, to path: String) throws {
    let temporary = path + ".tmp"
    do {
        try Data(text.utf8).write(to: URL(fileURLWithPath: temporary))
    } catch {
        throw TrainingError("cannot write \(temporary): \(String(cString: strerror(errno)))")
    }
    guard rename(temporary, path) == 0 else {
        throw TrainingError("cannot write \(path): \(String(cString: strerror(errno)))")
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
        throw TrainingError("cannot bring \(path) to the disk: \(String(cString: strerror(errno)))")
    }
}

import Foundation

/// Replaces a file so that `path` is always the old file or the complete new one, also after a crash.
///
///     try replaceAtomically("metrics.csv") { try data.write(to: URL(fileURLWithPath: $0)) }
///
/// `write` creates a temporary file at the path that it is given, `.metrics.csv.tmp` in the same folder. The file is
/// synchronized and renamed, then the folder is synchronized. If anything fails, or a signal ends the process, the
/// temporary file is removed. Throws what `write` throws, and `KaonError`.
package func replaceAtomically(_ path: String, _ write: (_ temporaryPath: String) throws -> Void) throws {
    try checkFolder(of: path)
    let (temporary, folder) = temporaryPath(for: path)
    try UnfinishedFile.removedBySignals(temporary, of: path) {
        do {
            try write(temporary)
            try synchronizeFile(temporary)
            guard rename(temporary, path) == 0 else { throw KaonError("cannot write \(path): \(systemReason())") }
        } catch {
            unlink(temporary)
            throw error
        }
    }
    try synchronizeDirectory(folder)
}

/// Replaces a file by one of these bytes, as `replaceAtomically` does. Throws `KaonError`.
package func writeAtomically(_ data: Data, to path: String) throws {
    try replaceAtomically(path) { temporary in
        do {
            try data.write(to: URL(fileURLWithPath: temporary))
        } catch {
            throw KaonError("cannot write \(path): \(reason(error))")
        }
    }
}

/// Replaces a text file as `replaceAtomically` does. Throws `KaonError`.
package func writeAtomically(_ text: String, to path: String) throws {
    try writeAtomically(Data(text.utf8), to: path)
}

/// Creates a symbolic link, or replaces one, so that it always exists. Throws `KaonError`.
package func linkAtomically(_ link: String, to target: String) throws {
    let (temporary, folder) = temporaryPath(for: link)
    unlink(temporary)
    guard symlink(target, temporary) == 0, rename(temporary, link) == 0 else {
        throw KaonError("cannot update \(link): \(systemReason())")
    }
    try synchronizeDirectory(folder)
}

/// The path of the temporary file that is to become `path`, in the same folder, and the folder.
private func temporaryPath(for path: String) -> (file: String, folder: String) {
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent().path
    return ("\(folder)/.\(url.lastPathComponent).tmp", folder)
}

/// Writes the buffered content of a file to the disk.
private func synchronizeFile(_ path: String) throws {
    try synchronize(path, flags: O_RDONLY)
}

/// Writes the entries of a directory to the disk, such as the new name of a file, where the file system can do so:
/// some network file systems cannot.
private func synchronizeDirectory(_ path: String) throws {
    try synchronize(path, flags: O_RDONLY | O_DIRECTORY, ignoring: [EINVAL, ENOTSUP])
}

private func synchronize(_ path: String, flags: Int32, ignoring ignored: [Int32] = []) throws {
    let descriptor = open(path, flags | O_CLOEXEC)
    guard descriptor >= 0 else { throw unsynchronized(path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 || ignored.contains(errno) else { throw unsynchronized(path) }
}

private func unsynchronized(_ path: String) -> KaonError {
    KaonError("cannot write \(path) to the disk: \(systemReason())")
}

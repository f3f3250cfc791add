import Foundation

/// Replaces a file so that `path` is always the old file or the complete new one, also after a crash.
///
///     try replaceAtomically("metrics.csv") { try data.write(to: URL(fileURLWithPath: $0)) }
///
/// `write` creates a temporary file at the path that it is given, `.metrics.csv.tmp` in the same folder. The file is
/// synchronized and renamed, then the folder is synchronized. If anything fails, the temporary file is removed. Throws
/// what `write` throws, and `KaonError`.
package func replaceAtomically(_ path: String, _ write: (_ temporaryPath: String) throws -> Void) throws {
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent().path
    let temporary = "\(folder)/.\(url.lastPathComponent).tmp"
    do {
        try write(temporary)
        try synchronizeFile(temporary)
        guard rename(temporary, path) == 0 else { throw KaonError("cannot write \(path): \(systemReason())") }
    } catch {
        unlink(temporary)
        throw error
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

/// Writes the buffered content of a file to the disk.
package func synchronizeFile(_ path: String) throws {
    try synchronize(path, flags: O_RDONLY)
}

/// Writes the entries of a directory to the disk, such as the new name of a file.
package func synchronizeDirectory(_ path: String) throws {
    try synchronize(path, flags: O_RDONLY | O_DIRECTORY)
}

private func synchronize(_ path: String, flags: Int32) throws {
    let descriptor = open(path, flags | O_CLOEXEC)
    guard descriptor >= 0 else { throw unsynchronized(path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw unsynchronized(path) }
}

private func unsynchronized(_ path: String) -> KaonError {
    KaonError("cannot write \(path) to the disk: \(systemReason())")
}

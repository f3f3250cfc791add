import Foundation

/// Replaces a small text file so that a reader sees the old or the new one, never a part.
package func writeAtomically(_ text: String, to path: String) throws {
    let temporary = path + ".tmp"
    do {
        try Data(text.utf8).write(to: URL(fileURLWithPath: temporary))
    } catch {
        throw KaonError("cannot write \(path): \(reason(error))")
    }
    try synchronizeFile(temporary)
    guard rename(temporary, path) == 0 else {
        throw KaonError("cannot write \(path): \(systemReason())")
    }
}

/// Brings a file's content to the disk.
package func synchronizeFile(_ path: String) throws {
    try synchronize(path, flags: O_RDONLY)
}

/// Brings a directory's entries to the disk.
package func synchronizeDirectory(_ path: String) throws {
    try synchronize(path, flags: O_RDONLY | O_DIRECTORY)
}

private func synchronize(_ path: String, flags: Int32) throws {
    let descriptor = open(path, flags)
    defer { close(descriptor) }
    guard descriptor >= 0, fsync(descriptor) == 0 else {
        throw KaonError("cannot bring \(path) to the disk: \(systemReason())")
    }
}

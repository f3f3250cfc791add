import Foundation

/// An exclusive lock of a file, which the operating system releases at the latest when the process ends.
package final class FileLock: Sendable {
    private let path: String
    private let descriptor: Int32

    /// Locks a file, which is created if it does not exist; nil if another process holds the lock. On a file system
    /// without locks, it always succeeds. Throws `POSIXError` if the file cannot be opened.
    package init?(path: String) throws {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK { return nil }
    }

    deinit { close(descriptor) }

    /// Replaces the content of the file.
    package func write(_ text: String) {
        ftruncate(descriptor, 0)
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    /// False if the file was removed or replaced.
    package var isInPlace: Bool {
        var (own, current) = (stat(), stat())
        return fstat(descriptor, &own) == 0 && stat(path, &current) == 0 && own.st_ino == current.st_ino
            && own.st_dev == current.st_dev
    }

    /// The reason why the file system of a folder does not support locks; nil if it does, or if the folder cannot be
    /// opened.
    package static func reasonForMissingSupport(in folder: String) -> String? {
        let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) != 0, errno != EWOULDBLOCK else { return nil }
        return systemReason()
    }
}

/// The free space of the file system at `path` for this user [bytes]; nil if unknown.
package func freeSpace(at path: String) -> Double? {
    var info = statvfs()
    guard statvfs(path, &info) == 0 else { return nil }
    return Double(info.f_bavail) * Double(info.f_frsize)
}

/// Throws `KaonError` if the name of the working folder is not UTF-8: Foundation would look for relative paths
/// elsewhere.
package func checkWorkingFolder() throws {
    guard let path = getcwd(nil, 0) else { return }
    defer { free(path) }
    guard String(validatingCString: path) == nil else { return }
    throw KaonError("the name of the working folder is not UTF-8 text; rename it, or start kaon in another folder")
}

/// True if a path leads to a device, a pipe or a socket, which can neither be replaced nor be read at any place.
package func isDeviceOrPipe(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
}

/// The time of the last change of a file, links followed; nil if unknown.
package func modificationDate(of path: String) -> Date? {
    try? FileManager.default.attributesOfItem(atPath: realPath(path))[.modificationDate] as? Date
}

/// The absolute path of a file, links followed.
package func realPath(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }

internal import CHDF5
import System

/// Something that could not be done with an HDF5 file:
/// `HDF5 read /csts in train.h5, rows 4096..<8192: inflate() failed`.
package struct HDF5Error: Error, CustomStringConvertible, Equatable {
    /// What was tried, and with which object: `read /csts in train.h5, rows 4096..<8192`.
    package let operation: String
    /// Why it failed.
    package let reason: String
    /// The number of the system's error (`errno`), where the system refused before a byte was looked at.
    package var systemError: Int32?

    package var description: String { "HDF5 \(operation): \(reason)" }
}

extension HDF5Error {
    /// The failure that the library has just reported; under the library's lock.
    init(lastErrorIn operation: String) {
        self.init(operation: operation, reason: Self.reason(from: Self.currentStack()))
    }

    /// The lines of the library's error stack, from the cause up to the function that was called.
    private static func currentStack() -> [String] {
        var lines: [String] = []
        withUnsafeMutablePointer(to: &lines) { lines in
            _ = H5Ewalk2(
                kaon_H5E_DEFAULT(), H5E_WALK_UPWARD,
                { _, line, lines in
                    guard let text = line?.pointee.desc, let lines else { return 0 }
                    lines.assumingMemoryBound(to: [String].self).pointee.append(String(cString: text))
                    return 0
                }, lines)
        }
        return lines
    }

    /// The most telling line of a stack: the cause, in plain words where the library's are obscure.
    private static func reason(from stack: [String]) -> String {
        guard let cause = stack.first else { return "the library gives no reason" }
        if cause.contains("file signature not found") { return "not an HDF5 file" }
        // "unable to lock file, errno = 11, error message = 'Resource temporarily unavailable'"
        if cause.contains("unable to lock file") || cause.contains("errno = 11,") {
            return
                "unable to lock the file; set HDF5_USE_FILE_LOCKING=FALSE where its file system has no locks"
        }
        // "unable to open file: name = 'x.h5', errno = 2, error message = 'No such file or directory', …"
        if let message = cause.firstMatch(of: /error message = '([^']*)'/) {
            return String(message.1).lowercased()
        }
        // "MPI_File_open failed: MPI error string is 'MPI_ERR_NO_SUCH_FILE: no such file or directory'"
        if let message = cause.firstMatch(of: /MPI error string is '(?:MPI_ERR_[A-Z_]+: )?([^']*)'/) {
            return String(message.1)
        }
        // MPI-IO reports that less was written than asked, without a reason.
        if cause == "file write failed" { return "file write failed; the disk may be full" }
        return cause
    }
}

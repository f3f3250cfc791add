internal import CHDF5
import System

/// A failed operation on an HDF5 file: `HDF5 read /csts in train.h5, rows 4096..<8192: inflate() failed`.
package struct HDF5Error: Error, CustomStringConvertible, Equatable {
    /// The operation and its object: `read /csts in train.h5, rows 4096..<8192`.
    package let operation: String
    /// The reason for the failure.
    package let reason: String
    /// The error of the operating system (`errno`) if the file could not be read at all; else nil.
    package var systemError: Int32?

    package var description: String { "HDF5 \(operation): \(reason)" }
}

extension HDF5Error {
    /// The last failure of the library. Must be called under the library's lock.
    init(lastErrorIn operation: String) {
        self.init(operation: operation, reason: Self.reason(from: Self.currentStack()))
    }

    /// The lines of the library's error stack, from the cause to the called function.
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

    /// The cause from an error stack, reworded where the library's message is obscure.
    private static func reason(from stack: [String]) -> String {
        guard let cause = stack.first else { return "unknown reason" }
        if cause.contains("file signature not found") { return "not an HDF5 file" }
        // "unable to lock file, errno = 11, error message = 'Resource temporarily unavailable'"
        if cause.contains("unable to lock file") || cause.contains("errno = 11,") {
            return
                "unable to lock the file; set HDF5_USE_FILE_LOCKING=FALSE if its file system does not support locks"
        }
        // "unable to open file: name = 'x.h5', errno = 2, error message = 'No such file or directory', …"
        if let message = cause.firstMatch(of: /error message = '([^']*)'/) {
            return String(message.1).lowercased()
        }
        // "MPI_File_open failed: MPI error string is 'MPI_ERR_NO_SUCH_FILE: no such file or directory'"
        if let message = cause.firstMatch(of: /MPI error string is '(?:MPI_ERR_[A-Z_]+: )?([^']*)'/) {
            return String(message.1)
        }
        // MPI-IO gives no reason for an incomplete write.
        if cause == "file write failed" { return "file write failed; the disk may be full" }
        return cause
    }
}

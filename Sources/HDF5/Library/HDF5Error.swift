internal import CHDF5
import Foundation
import System

/// A failed operation on an HDF5 file: `HDF5 read /csts in train.h5, rows 4096..<8192: inflate() failed`.
package struct HDF5Error: Error, CustomStringConvertible, Equatable {
    /// The operation and its object: `read /csts in train.h5, rows 4096..<8192`.
    package let operation: String
    /// The reason for the failure.
    package let reason: String
    /// The error of the operating system (`errno`) if the file could not be read at all; else nil.
    package var systemError: Int32?
    /// True if the file system did not respond, which may pass, as during the failover of a server.
    package var isTransient = false

    package var description: String { "HDF5 \(operation): \(reason)" }
}

extension HDF5Error {
    /// Errors of file systems that do not respond (`errno`), which may pass.
    static let refusals: Set<Int32> = [EIO, ESTALE, ETIMEDOUT, EREMOTEIO]

    /// The last failure of the library. Must be called under the library's lock.
    ///
    /// - Parameter refusal: the error of the file system, if it is one of `refusals`.
    init(lastErrorIn operation: String, refusal: Int32?) {
        let reason =
            refusal.map { String(cString: strerror($0)).lowercased() } ?? Self.reason(from: Self.currentStack())
        self.init(operation: operation, reason: reason, isTransient: refusal != nil)
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
    ///
    /// The whole stack is searched, because its first line may be an attempt that failed on the way, such as the search
    /// for the plugin of a filter.
    static func reason(from stack: [String]) -> String {
        for line in stack {
            if let reason = reason(fromLine: line) { return reason }
        }
        // The search for plugins is not the cause.
        return stack.first { !$0.contains("plugin") && !$0.contains("can't open directory") } ?? stack.first
            ?? "unknown reason"
    }

    /// The cause from a line of an error stack; nil if another line has to be looked at.
    private static func reason(fromLine line: String) -> String? {
        if line.contains("file signature not found") { return "not an HDF5 file" }
        // "required filter 'lzf' is not registered"; the name is empty if the file has none.
        if let filter = line.firstMatch(of: /required filter '([^']*)' is not registered/) {
            return missingFilter(String(filter.1))
        }
        // "bad version number for datatype message", "unknown filter pipeline version"
        if line.firstMatch(of: /(bad|unknown|wrong|unsupported|invalid)\b.*\bversion/) != nil {
            return
                "the file is damaged, or needs a newer library than HDF5 \(HDF5Library.version) (\(line)): write it "
                + "again in an older format, with h5py by libver='earliest'"
        }
        // "unable to lock file, errno = 11, error message = 'Resource temporarily unavailable'"
        if line.contains("unable to lock file") || line.contains("errno = 11,") {
            return
                "unable to lock the file; set HDF5_USE_FILE_LOCKING=FALSE if its file system does not support locks"
        }
        // "unable to open file: name = 'x.h5', errno = 2, error message = 'No such file or directory', …"
        if let message = line.firstMatch(of: /error message = '([^']*)'/) {
            return String(message.1).lowercased()
        }
        // "MPI_File_open failed: MPI error string is 'MPI_ERR_NO_SUCH_FILE: no such file or directory'"
        if let message = line.firstMatch(of: /MPI error string is '(?:MPI_ERR_[A-Z_]+: )?([^']*)'/) {
            return String(message.1)
        }
        // MPI-IO gives no reason for an incomplete write.
        return line == "file write failed" ? "file write failed; the disk may be full" : nil
    }

    /// The reason for a failure to read chunks with a filter that the library does not have.
    static func missingFilter(_ filter: String) -> String {
        "the library has no filter \(filter.isEmpty ? "for this compression" : "'\(filter)'"): write the file again "
            + "with gzip compression, or name the folder of the filter's plugin in HDF5_PLUGIN_PATH"
    }
}

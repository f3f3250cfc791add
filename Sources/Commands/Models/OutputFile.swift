import Foundation
import MPI
import System

/// A file that a command writes.
package struct OutputFile: Sendable {
    package let path: String
    /// True if an existing file is replaced.
    package let overwrites: Bool

    package init(_ path: String, overwrites: Bool = false) {
        (self.path, self.overwrites) = (path, overwrites)
    }

    /// Throws `KaonError` if the file exists and must not be replaced.
    func checkIsFree() throws {
        guard overwrites || !FileManager.default.fileExists(atPath: path) else {
            throw KaonError("\(path) already exists; choose another name, or --force to replace it")
        }
    }

    /// Throws `AgreedError` if the file exists and must not be replaced, is one of `inputs`, which a replacement would
    /// destroy, or its folder is not writable; collective.
    ///
    /// - Parameter inputs: the checkpoint and the data files that the command reads.
    func check(inputs: [String] = [], on communicator: Communicator) throws {
        _ = try communicator.onRoot {
            try checkIsFree()
            let file = URL(fileURLWithPath: path)
            if let input = inputs.first(where: { realPath($0) == realPath(path) }) {
                throw KaonError("\(path) is the file \(input), which is read; choose another name")
            }
            let folder = file.deletingLastPathComponent().path
            guard FileManager.default.isWritableFile(atPath: folder) else {
                throw KaonError("cannot write \(path): \(folder) is not a writable folder")
            }
        }
    }
}

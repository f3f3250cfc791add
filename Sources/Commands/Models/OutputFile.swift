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

    /// Throws `KaonError` if the path is a folder, a device or a pipe, the file exists and must not be replaced, its
    /// folder is not writable, or the file is one of `inputs`, which a replacement would destroy.
    ///
    /// - Parameter inputs: the checkpoint and the data files that the command reads.
    func check(inputs: [String] = []) throws {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        guard !isFolder.boolValue, !path.hasSuffix("/") else {
            throw KaonError("\(path) is a folder; give the name of a file in it")
        }
        guard !isDeviceOrPipe(path) else {
            throw KaonError("\(path) is a device or a pipe; give the name of a file")
        }
        guard overwrites || !exists else {
            throw KaonError("\(path) already exists; choose another name, or --force to replace it")
        }
        try checkFolder(of: path, isCreated: true)
        if let input = inputs.first(where: { realPath($0) == realPath(path) }) {
            throw KaonError("\(path) is the file \(input), which is read; choose another name")
        }
    }

    /// Throws `AgreedError` where `check(inputs:)` throws; collective.
    func check(inputs: [String] = [], on communicator: Communicator) throws {
        _ = try communicator.onRoot { try check(inputs: inputs) }
    }
}

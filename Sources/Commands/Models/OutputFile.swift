import Foundation
import MPI
import System

/// Throws `AgreedError` where there is a file already, or no folder for it; collective.
package func checkOutput(_ path: String, overwrites: Bool, on communicator: Communicator) throws {
    _ = try communicator.onRoot {
        guard overwrites || !FileManager.default.fileExists(atPath: path) else {
            throw KaonError("\(path) is there already; give another name, or --force to replace it")
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw KaonError("cannot write \(path): \(folder) is no folder that can be written to")
        }
    }
}

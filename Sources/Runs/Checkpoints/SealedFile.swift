import Foundation
import HDF5
import System

/// Opens a sealed HDF5 file after comparing all of its bytes with its checksum. Throws `HDF5Error`, and `KaonError` for
/// a run folder.
package func openSealed(_ path: String) throws -> File {
    try checkIsNoRun(path)
    try FileSeal.verify(path)
    return try File(opening: path)
}

/// Throws `KaonError` if a path is a run folder, which is easily confused with its checkpoints.
package func checkIsNoRun(_ path: String) throws {
    let latest = path + "/checkpoints/latest"
    guard FileManager.default.fileExists(atPath: latest) else { return }
    throw KaonError("\(path) is the folder of a run; name one of its checkpoints, such as \(latest)")
}

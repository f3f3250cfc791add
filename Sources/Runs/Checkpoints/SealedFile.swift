import Foundation
import HDF5
import System

/// Opens a sealed HDF5 file after comparing all of its bytes with its checksum. Throws `HDF5Error`, and `KaonError` for
/// the folder of a run or of its checkpoints.
package func openSealed(_ path: String) throws -> File {
    try checkIsNoRun(path)
    try FileSeal.verify(path)
    return try File(opening: path)
}

/// Throws `KaonError` if a path is the folder of a run or of its checkpoints, which are easily confused with a
/// checkpoint.
package func checkIsNoRun(_ path: String) throws {
    let folder = path.hasSuffix("/") && path.count > 1 ? String(path.dropLast()) : path
    let latest = folder + "/checkpoints/latest"
    if FileManager.default.fileExists(atPath: latest) {
        throw KaonError("\(path) is the folder of a run; name one of its checkpoints, such as \(latest)")
    }
    // A folder of data may have any name, and a file of any name.
    if URL(fileURLWithPath: folder).standardizedFileURL.lastPathComponent == "checkpoints",
        FileManager.default.fileExists(atPath: folder + "/latest")
    {
        throw KaonError("\(path) is the folder of the checkpoints of a run; name one of them, such as \(folder)/latest")
    }
}

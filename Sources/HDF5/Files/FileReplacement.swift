import System

/// Writes an HDF5 file so that `path` is always the old file or the complete new one, also after a crash.
///
///     try replaceFile("model.h5", isSealed: true) { root in
///         try root.writeVerified(weights, shape: [weights.count], as: "weights")
///     }
///
/// Throws what `write` throws, `HDF5Error` and `KaonError`.
///
/// - Parameter isSealed: true for a checksum of all bytes (`FileSeal`), for which the file is read once.
package func replaceFile(
    _ path: String, isSealed: Bool = false, _ write: (borrowing Group) throws -> Void
) throws {
    try replaceAtomically(path) { temporary in
        let file: File
        do {
            file = try File(creating: temporary, isSealed: isSealed)
        } catch let error as HDF5Error {
            // The name of the temporary file means nothing to the user.
            throw HDF5Error(operation: "create \(path)", reason: error.reason, systemError: error.systemError)
        }
        do {
            try write(file.root)
            try file.flush()
        } catch {
            file.discard()
            throw error
        }
        try file.close()
        if isSealed { try FileSeal.write(to: temporary) }
    }
}

import Foundation

/// Folders in which nobody can create files.
private let kernelFolders = ["/proc", "/sys"]

/// The reason why files cannot be written to a folder, which is created if needed; nil if there is none to be seen
/// without writing.
package func reasonAgainstWriting(to folder: String) -> String? {
    let files = FileManager.default
    // The first part of the path that exists.
    var existing = URL(fileURLWithPath: folder)
    while !files.fileExists(atPath: existing.path), existing.pathComponents.count > 1 {
        guard existing.lastPathComponent.utf8.count <= Int(NAME_MAX) else { return "File name too long" }
        existing.deleteLastPathComponent()
    }
    var isFolder: ObjCBool = false
    guard files.fileExists(atPath: existing.path, isDirectory: &isFolder), isFolder.boolValue else {
        return "Not a directory"
    }
    // The administrator may write to the kernel's files, but nobody can create others beside them.
    let path = existing.resolvingSymlinksInPath().path
    if let system = kernelFolders.first(where: { path == $0 || path.hasPrefix($0 + "/") }) {
        return "\(system) holds files of the kernel alone"
    }
    return access(existing.path, W_OK | X_OK) == 0 ? nil : systemReason()
}

/// Creates the folder of a file that is to be written, and those above it, where they do not exist. Throws `KaonError`.
package func createFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
        throw KaonError("cannot write \(path): cannot create the folder \(folder): \(reason(error))")
    }
}

/// Throws `KaonError` if the folder of a file that is to be written does not exist or is not writable.
///
/// - Parameter isCreated: true if the folder will be created where it does not exist.
package func checkFolder(of path: String, isCreated: Bool = false) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) else {
        if isCreated {
            guard let reason = reasonAgainstWriting(to: folder) else { return }
            throw KaonError("cannot write \(path): cannot create the folder \(folder): \(reason)")
        }
        throw KaonError("cannot write \(path): there is no folder \(folder); create it, or choose another one")
    }
    guard isFolder.boolValue else { throw KaonError("cannot write \(path): \(folder) is not a folder") }
    if let reason = reasonAgainstWriting(to: folder) {
        throw KaonError("cannot write \(path): the folder \(folder) is not writable (\(reason))")
    }
}

import Foundation

/// The path of a sample file: `train`, `val` or `test`.
package func sample(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/jets/\(name).h5").path
}

/// The path of a file in `Fixtures/odd`, such as `virtual_gap`.
package func oddFile(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/odd/\(name).h5").path
}

/// A new folder, removed when `body` returns.
package func withScratchFolder<R>(_ body: (String) throws -> R) throws -> R {
    // Without mpirun, MPI starts a daemon, which inherits open files with their locks: start it before any are open.
    startMPI()
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("kaon-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
}

/// A new path for a file, removed with its folder when `body` returns.
package func withScratchFile<R>(_ name: String = "scratch.h5", _ body: (String) throws -> R) throws -> R {
    try withScratchFolder { try body($0 + "/" + name) }
}

/// The message of the error that `work` throws; "" if it does not throw.
package func failure(_ work: () throws -> Void) -> String {
    do {
        try work()
        return ""
    } catch {
        return "\(error)"
    }
}

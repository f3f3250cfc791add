import Foundation
import Synchronization

/// The temporary file that this process is writing, which a signal that ends the process removes.
enum UnfinishedFile {
    private static let isInUse = Atomic<Bool>(false)
    // C strings, because a signal handler may not allocate memory.
    nonisolated(unsafe) private static var file: UnsafeMutablePointer<CChar>?
    nonisolated(unsafe) private static var message: UnsafeMutablePointer<CChar>?

    /// Calls `write`. Until it returns, SIGINT, SIGTERM and SIGHUP remove the file and print that `path` was not
    /// written before they end the process, unless the process handles or ignores them. Of several calls at a time,
    /// this applies to the first.
    static func removedBySignals(_ temporary: String, of path: String, _ write: () throws -> Void) throws {
        let numbers = [SIGINT, SIGTERM, SIGHUP].filter { SignalAction(of: $0) == .standard }
        guard !numbers.isEmpty,
            isInUse.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
        else { return try write() }
        // After the progress line and the ^C that a terminal shows.
        let lineBreak = isatty(STDERR_FILENO) == 1 ? "\n" : ""
        (file, message) = (
            strdup(temporary), strdup("\(lineBreak)Error: stopped by a signal: \(path) was not written\n")
        )
        let actions = numbers.map { number in
            handleSignal(number) { number in
                if let file = UnfinishedFile.file, let message = UnfinishedFile.message, unlink(file) == 0 {
                    _ = Foundation.write(STDERR_FILENO, message, strlen(message))
                }
                // It arrives again, with the action of the system, when this handler returns.
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        defer {
            for (number, action) in zip(numbers, actions) { restoreSignal(number, action) }
            free(file)
            free(message)
            (file, message) = (nil, nil)
            isInUse.store(false, ordering: .releasing)
        }
        try write()
    }
}

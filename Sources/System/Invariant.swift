import Foundation
import Synchronization

/// Ends the job if a program error makes `condition` false, in release builds too.
///
///     invariant(x.shape == y.shape, "the shapes \(x.shape) and \(y.shape) differ")
///
/// `precondition` drops its message in release builds. A mistake that a user can make is an error to throw, not an
/// invariant.
@inlinable @inline(__always)
package func invariant(
    _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) {
    if !condition { brokenInvariant(message(), file: file, line: line) }
}

/// Ends the job at a point that a correct program never reaches.
package func unreachable(_ message: String, file: StaticString = #fileID, line: UInt = #line) -> Never {
    brokenInvariant(message, file: file, line: line)
}

@usableFromInline @inline(never)
package func brokenInvariant(_ message: String, file: StaticString, line: UInt) -> Never {
    FatalError.end("internal error: \(message) (\(file):\(line)); please report it")
}

/// Ends the job because memory is exhausted, which the callers of an allocation cannot handle.
///
///     outOfMemory("the system refused 4.2 GB for a tensor")
package func outOfMemory(_ message: String) -> Never { FatalError.end("out of memory: \(message)") }

/// The end of the process after a failure that is not thrown.
package enum FatalError {
    private static let handler = Mutex<(@Sendable (String) -> Never)?>(nil)
    private static let hasFailed = Atomic<Bool>(false)

    /// Calls `handler` with the message instead of printing it and aborting the process; the handler may name the rank
    /// and end the whole job. It runs on the thread that failed, whatever locks that thread holds.
    package static func install(_ handler: @escaping @Sendable (String) -> Never) {
        self.handler.withLock { $0 = handler }
    }

    fileprivate static func end(_ message: String) -> Never {
        // Threads that share the work of one operation fail together; one message is enough.
        while hasFailed.exchange(true, ordering: .relaxed) { sleep(1) }
        // SIGALRM ends the process if the handler hangs.
        alarm(10)
        if let handler = handler.withLock({ $0 }) { handler(message) }
        try? FileHandle.standardError.write(contentsOf: Data("Error: \(message)\n".utf8))
        abort()
    }
}

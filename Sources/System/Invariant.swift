import Foundation
import Synchronization

/// Ends the job with a sentence when a program error makes `condition` false, in release builds too.
///
///     invariant(x.shape == y.shape, "\(x.shape) and \(y.shape) do not match")
///
/// `precondition` drops its message in release builds. What a user can cause is an error to throw, not an invariant.
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
    let sentence = "internal error: \(message) (\(file):\(line)); please report it"
    let end = BrokenInvariant.handler.withLock { $0 }
    end?(sentence)
    try? FileHandle.standardError.write(contentsOf: Data("kaon: \(sentence)\n".utf8))
    abort()
}

/// What happens at a broken invariant.
package enum BrokenInvariant {
    fileprivate static let handler = Mutex<(@Sendable (String) -> Void)?>(nil)

    /// Calls `handler` with the sentence before the process aborts: it may name the rank and end the whole job.
    package static func onBreak(_ handler: @escaping @Sendable (String) -> Void) {
        self.handler.withLock { $0 = handler }
    }
}

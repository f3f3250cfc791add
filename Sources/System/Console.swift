import Foundation
import Logging

/// What rank 0 tells: messages to the terminal and to `kaon.log`, and one progress line that is drawn over
/// itself on a terminal. The other ranks have a silent one, which may have a log file of its own.
package final class Console: @unchecked Sendable {
    private let isSilent: Bool
    private let isTerminal: Bool
    private static let hasColour = ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty
        && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    private let state = NSLock()
    private var file: FileHandle?
    private var progressWidth = 0
    /// Messages by level, timestamped in the log file.
    package private(set) var log: Logger

    /// - Parameter isSilent: true on all ranks but one.
    package init(isSilent: Bool) {
        self.isSilent = isSilent
        isTerminal = !isSilent && isatty(STDOUT_FILENO) == 1 && Console.environmentIsTerminal
        log = Logger(label: "kaon") { _ in SwiftLogNoOpLogHandler() }
        log = Logger(label: "kaon") { _ in ConsoleLogHandler(console: self) }
    }

    /// Under mpirun a rank may have a pseudo-terminal of its own though mpirun writes to a file; the user
    /// looks at what mpirun writes to: the nearest ancestor with another standard output than this process.
    private static var environmentIsTerminal: Bool {
        guard ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil else { return true }
        func output(of process: String) -> String? {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/fd/1")
        }
        let own = output(of: "self")
        var ancestor = "\(getppid())"
        while let output = output(of: ancestor) {
            if output != own { return output.hasPrefix("/dev/pts/") || output.hasPrefix("/dev/tty") }
            guard let status = try? String(contentsOfFile: "/proc/\(ancestor)/status", encoding: .utf8),
                let parent = status.firstMatch(of: /PPid:\s*(\d+)/)
            else { return false }
            ancestor = String(parent.1)
        }
        return false
    }

    /// From now on messages also go to the end of a file.
    package func open(logFile path: String) throws {
        if !FileManager.default.fileExists(atPath: path) {
            guard FileManager.default.createFile(atPath: path, contents: nil) else {
                throw KaonError("cannot write \(path): \(systemReason())")
            }
        }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.seekToEnd()
        state.withLock { file = handle }
    }

    /// A line for the user and the log.
    package func say(_ text: String) { log.info("\(text)") }

    /// A line about something that may be wrong.
    package func warn(_ text: String) { log.warning("\(text)") }

    /// Why the program ends: to standard error and the log, from a rank that is silent otherwise too.
    package func fail(_ text: String) {
        state.withLock {
            clearProgress()
            put(Self.errorPrefix + "\(text)\n", to: .standardError)
            appendToFile("error", text)
        }
    }

    /// The same for when a thread that hangs may hold the console: it is never waited for.
    package func failAtOnce(_ text: String) {
        guard state.try() else {
            put(Self.errorPrefix + "\(text)\n", to: .standardError)
            return
        }
        state.unlock()
        fail(text)
    }

    /// Draws the progress line on a terminal; elsewhere writes it as a plain line when `isLogged`.
    package func progress(_ text: String, isLogged: Bool) {
        state.withLock {
            if isLogged { appendToFile("info", text) }
            guard !isSilent else { return }
            if isTerminal {
                put("\r" + text + String(repeating: " ", count: max(0, progressWidth - text.count)))
                progressWidth = text.count
            } else if isLogged {
                put(text + "\n")
            }
        }
    }

    fileprivate func message(_ level: Logger.Level, _ text: String) {
        state.withLock {
            appendToFile("\(level)", text)
            guard !isSilent else { return }
            clearProgress()
            let prefix = level >= .warning ? Self.coloured("\(level): ", 33, isTerminal) : ""
            put(prefix + text + "\n")
        }
    }

    /// Leaves the progress line as it stands and goes to a new one.
    package func endProgress() {
        state.withLock {
            if progressWidth > 0 { put("\n") }
            progressWidth = 0
        }
    }

    private func clearProgress() {
        if progressWidth > 0 { put("\r" + String(repeating: " ", count: progressWidth) + "\r") }
        progressWidth = 0
    }

    private static var errorPrefix: String { coloured("Error: ", 31, isatty(STDERR_FILENO) == 1) }

    /// A word in bold and one of the colours that a terminal has, where somebody looks at one and has not refused.
    private static func coloured(_ text: String, _ colour: Int, _ isTerminal: Bool) -> String {
        isTerminal && hasColour ? "\u{1b}[1;\(colour)m\(text)\u{1b}[0m" : text
    }

    private func put(_ text: String, to output: FileHandle = .standardOutput) {
        // Nobody who listens, or a full disk behind a redirection, must not end the training.
        try? output.write(contentsOf: Data(text.utf8))
    }

    private func appendToFile(_ level: String, _ text: String) {
        guard let file else { return }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let time = Date().formatted(.iso8601)
        try? file.write(contentsOf: Data(lines.map { "\(time) \(level): \($0)\n" }.joined().utf8))
    }
}

/// Hands the messages of a `Logger` to the console.
private struct ConsoleLogHandler: LogHandler {
    unowned let console: Console
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        console.message(event.level, "\(event.message)")
    }
}

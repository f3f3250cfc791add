import Foundation
import Logging

/// The output of a rank for the user: messages to standard output and a log file, and one progress line, which is
/// redrawn in place on a terminal. On all ranks but 0 the console is silent; it may still have a log file.
package final class Console: @unchecked Sendable {
    private let isSilent: Bool
    private let isTerminal: Bool
    /// False for a terminal that cannot redraw a line.
    private static let hasCursor = ProcessInfo.processInfo.environment["TERM"] != "dumb"
    private static let hasColour =
        ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty && hasCursor
    private let state = NSLock()
    private var file: FileHandle?
    private var progressWidth = 0
    /// Logs messages by level; the log file has timestamps.
    package private(set) var log: Logger

    /// - Parameter isSilent: true on all ranks but one.
    package init(isSilent: Bool) {
        self.isSilent = isSilent
        isTerminal =
            !isSilent && isatty(STDOUT_FILENO) == 1 && Console.hasCursor && Console.launcherWritesToTerminal
        log = Logger(label: "kaon") { _ in SwiftLogNoOpLogHandler() }
        log = Logger(label: "kaon") { _ in ConsoleLogHandler(console: self) }
    }

    /// True unless mpirun runs this process and writes to a file.
    ///
    /// mpirun gives a rank a pseudo-terminal even if its own output is a file. Its output is that of the nearest
    /// ancestor whose standard output differs from that of this process.
    private static var launcherWritesToTerminal: Bool {
        guard ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil else { return true }
        let own = RunningProcess.current.standardOutput
        var ancestor = RunningProcess.parentOfCurrent
        while let output = ancestor.standardOutput {
            if output != own { return output.hasPrefix("/dev/pts/") || output.hasPrefix("/dev/tty") }
            guard let parent = ancestor.parent else { return false }
            ancestor = parent
        }
        return false
    }

    /// Appends all further messages to a file too. Throws if the file cannot be opened.
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

    /// Redraws the progress line as a bar with the number of jets so far; prints nothing elsewhere.
    package func progress(_ verb: String = "", jets done: Int, of all: Int) {
        let text = (verb.isEmpty ? "" : verb + " ") + "\(done) of \(plural(all, "jet"))"
        progress(text, on: ProgressLine(text, fraction: Double(done) / Double(max(1, all))), isLogged: false)
    }

    /// Prints and logs a message.
    package func say(_ text: String) { log.info("\(text)") }

    /// Writes a message to the log file only.
    package func record(_ text: String) { state.withLock { appendToFile("info", text) } }

    /// Prints and logs a warning.
    package func warn(_ text: String) { log.warning("\(text)") }

    /// Prints a warning of a single rank, whose own console may be silent, to standard error.
    package static func warnOfRank(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("warning: \(text)\n".utf8))
    }

    /// Prints the reason for which the program ends to standard error and logs it, also if the console is silent.
    package func fail(_ text: String) {
        state.withLock { writeError(text) }
    }

    /// Does the same as `fail`, but never waits for a thread that holds the console: then it only prints.
    package func failWithoutWaiting(_ text: String) {
        guard state.try() else { return put(Self.errorPrefix + "\(text)\n", to: .standardError) }
        defer { state.unlock() }
        writeError(text)
    }

    private func writeError(_ text: String) {
        clearProgress()
        put(Self.errorPrefix + "\(text)\n", to: .standardError)
        appendToFile("error", text)
    }

    /// Redraws the progress line on a terminal; elsewhere prints `text` as an ordinary line if `isLogged`.
    ///
    /// - Parameter line: what a terminal shows; nil for the text.
    package func progress(_ text: String, on line: ProgressLine? = nil, isLogged: Bool) {
        state.withLock {
            if isLogged { appendToFile("info", text) }
            guard !isSilent else { return }
            if isTerminal {
                // A full line would move the cursor to the next one on some terminals.
                let line = (line ?? ProgressLine(text)).drawn(
                    columns: Terminal.columns - 1, isUnicode: Terminal.isUnicode)
                put("\r" + line + String(repeating: " ", count: max(0, progressWidth - line.count)))
                progressWidth = line.count
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

    /// Ends the progress line with a line break.
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

    /// The text in bold and an ANSI colour (31 red, 33 yellow) on a terminal, unless the user has disabled colours.
    private static func coloured(_ text: String, _ colour: Int, _ isTerminal: Bool) -> String {
        isTerminal && hasColour ? "\u{1b}[1;\(colour)m\(text)\u{1b}[0m" : text
    }

    private func put(_ text: String, to output: FileHandle = .standardOutput) {
        // A closed pipe or a full disk must not end the training.
        try? output.write(contentsOf: Data(text.utf8))
    }

    private func appendToFile(_ level: String, _ text: String) {
        guard let file else { return }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let time = Date().formatted(.iso8601)
        try? file.write(contentsOf: Data(lines.map { "\(time) \(level): \($0)\n" }.joined().utf8))
    }
}

/// Passes the messages of a `Logger` to the console.
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

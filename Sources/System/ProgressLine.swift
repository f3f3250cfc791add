import Foundation

/// A line of progress on a terminal: a bar, the percentage, and some values, in the columns that there are.
package struct ProgressLine {
    /// The widest and the narrowest bar.
    private static let (widest, narrowest) = (24, 8)

    /// The values, from left to right.
    private let parts: [String]
    /// The numbers of the parts that narrow terminals do not show, the least important first.
    private let optional: [Int]
    /// The part of the work that is done, from 0 to 1; nil for a line without a bar.
    private let fraction: Double?

    package init(_ text: String, fraction: Double? = nil) { self.init([text], fraction: fraction) }

    package init(_ parts: [String], optional: [Int] = [], fraction: Double?) {
        (self.parts, self.optional, self.fraction) = (parts, optional, fraction)
    }

    /// The line in at most `columns` columns: with a shorter bar, then without the optional parts, then without a bar.
    ///
    /// - Parameter isUnicode: false for a bar of ASCII characters.
    package func drawn(columns: Int, isUnicode: Bool) -> String {
        guard let fraction else { return String(text(without: []).prefix(columns)) }
        let done = min(1, max(0, fraction.isNaN ? 0 : fraction))
        // The percentage is rounded down, so that 100 % means all.
        let percent = "\(Int(done * 100))"
        let label = String(repeating: " ", count: 4 - percent.count) + percent + " %  "
        for dropped in 0...optional.count {
            let text = text(without: Set(optional.prefix(dropped)))
            let width = min(Self.widest, columns - label.count - text.count)
            guard width >= Self.narrowest else { continue }
            let filled = Int(done * Double(width))
            let (full, empty) = isUnicode ? ("█", "░") : ("#", ".")
            return String(repeating: full, count: filled) + String(repeating: empty, count: width - filled) + label
                + text
        }
        return String("\(percent) %  \(text(without: Set(optional)))".prefix(columns))
    }

    private func text(without dropped: Set<Int>) -> String {
        parts.indices.filter { !dropped.contains($0) }.map { parts[$0] }.joined(separator: "  ")
    }
}

/// The terminal on standard output.
enum Terminal {
    /// The number of columns; 80 if it is unknown, as for the terminals that mpirun gives to its ranks.
    static var columns: Int {
        var size = winsize()
        if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        return ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil } ?? 80
    }

    /// True if the environment selects UTF-8.
    static let isUnicode: Bool = {
        let environment = ProcessInfo.processInfo.environment
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        return locale.lowercased().contains(/utf-?8/)
    }()
}

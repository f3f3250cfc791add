import Foundation

/// A count with its noun: `1 rank`, `2 ranks`.
package func plural(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }

/// A word as a shell (bash, zsh, fish) reads it: in quotes unless it has only letters, digits and `_./:=,@%+-`. Line
/// breaks and other control characters become spaces.
package func quotedForShell(_ word: String) -> String {
    let word = String(word.map { $0.isNewline || $0 < " " ? " " : $0 })
    guard
        word.isEmpty
            || word.contains(where: { !($0.isASCII && ($0.isLetter || $0.isNumber)) && !"_./:=,@%+-".contains($0) })
    else { return word }
    return "'" + word.replacing("'", with: "'\\''") + "'"
}

/// Formats a number with a fixed number of decimals; `nan` has no sign.
package func rounded(_ value: Double, decimals: Int) -> String {
    value.isNaN ? "nan" : String(format: "%.\(decimals)f", value)
}

/// Formats a number with at most `digits` significant digits; `nan` has no sign.
package func rounded(_ value: Double, digits: Int) -> String {
    value.isNaN ? "nan" : String(format: "%.\(digits)g", value)
}

/// Formats a number with its error, with as many decimals as two significant digits of the error have: `0.641 ± 0.015`;
/// without an error, or with one that is not positive and finite, with five significant digits.
package func rounded(_ value: Double, error: Double?) -> String {
    guard let error, error > 0, error.isFinite, value.isFinite else { return rounded(value, digits: 5) }
    let decimals = max(0, min(9, 1 - Int(log10(error).rounded(.down))))
    return rounded(value, decimals: decimals) + " ± " + rounded(error, decimals: decimals)
}

/// Formats a number of bytes in kB or MB (powers of ten).
package func megabytes(_ bytes: Int) -> String {
    bytes < 1_000_000
        ? rounded(Double(bytes) / 1e3, decimals: 1) + " kB"
        : rounded(Double(bytes) / 1e6, decimals: 1) + " MB"
}

/// Formats a duration [s] in its two largest units: `2 h 5 min`.
package func clock(_ seconds: Double) -> String {
    guard seconds < 1e9 else { return "ages" }
    let whole = Int(seconds.rounded())
    let (days, hours, minutes) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60)
    if days > 0 { return "\(days) d \(hours) h" }
    if hours > 0 { return "\(hours) h \(minutes) min" }
    if minutes > 0 { return "\(minutes) min \(whole % 60) s" }
    return "\(whole) s"
}

/// Formats a table as text, with columns as wide as their widest entry.
package func aligned(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
    return rows.map { row in
        let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
        return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
}

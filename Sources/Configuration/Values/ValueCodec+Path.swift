import Foundation

extension ValueCodec<String> {
    /// A path, in which `~` at the start and `$NAME` or `${NAME}` are replaced by their values.
    static var path: ValueCodec {
        ValueCodec(typeName: string.typeName, decode: { try expanded(string.decode($0)) }, encode: string.encode)
    }
}

/// Replaces `~` at the start of a path by the home folder, and environment variables by their values.
///
/// Throws `Mismatch` if a variable is not set or has a value with `$`, which would be replaced when the result is read
/// again, or if the path contains control characters.
private func expanded(_ path: String) throws -> String {
    guard !path.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
        throw Mismatch.invalidValue(
            "the path \(path.debugDescription) contains a line break or another control character (a block after '|' "
                + "ends with one)")
    }
    guard path.contains("$") || path.hasPrefix("~") else { return path }
    let environment = ProcessInfo.processInfo.environment
    func value(_ name: Substring) throws -> String {
        guard let value = environment[String(name)] else {
            throw Mismatch.invalidValue("the environment variable '\(name)' in '\(path)' is not set")
        }
        guard !value.contains("$") else {
            throw Mismatch.invalidValue("the environment variable '\(name)' in '\(path)' has '$' in its value")
        }
        return value
    }
    var result = ""
    var rest = path[...]
    if path == "~" || path.hasPrefix("~/") {
        result = try value("HOME")
        rest = rest.dropFirst()
    }
    while let match = rest.firstMatch(of: /\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([^{}]*)\})/) {
        result += try rest[..<match.range.lowerBound] + value(match.1 ?? match.2 ?? "")
        rest = rest[match.range.upperBound...]
    }
    return result + rest
}

/// Text from a file or the command line as part of a sentence: control characters and the like as `\u{7}`,
/// and of what is longer than `limit` characters the beginning and the end.
package func printable(_ text: String, limit: Int = 300) -> String {
    var shown = text[...]
    var end = ""[...]
    // Scalars, because a single character may have any number of them.
    if text.unicodeScalars.count > limit {
        shown = Substring(text.unicodeScalars.prefix(limit * 2 / 3))
        end = Substring(text.unicodeScalars.suffix(limit / 3))
    }
    return escaped(shown) + (end.isEmpty ? "" : " … " + escaped(end))
}

private func escaped(_ text: Substring) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned:
            result += "\\u{\(String(scalar.value, radix: 16))}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}

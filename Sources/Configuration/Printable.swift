/// Text from a file or the command line for use in a sentence: control characters are escaped as `\u{7}`, and text of
/// more than `limit` characters is reduced to its beginning and end.
package func printable(_ text: String, limit: Int = 300) -> String {
    var shown = text[...]
    var end = ""[...]
    // Count scalars: a single character may consist of any number of them.
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

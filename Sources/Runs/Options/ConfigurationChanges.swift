/// What two complete configurations differ in, as a person would put it: `training.steps: 20 → 40`. A key
/// that one of them does not have counts as null.
///
/// Both are YAML as `RunOptions.resolved` has it: one key a line, sections indented by two spaces.
package func configurationChanges(from old: String, to new: String) -> [String] {
    configurationDifferences(old, new).map { "\($0.key): \($0.old) → \($0.new)" }
}

/// The same as keys and values.
package func configurationDifferences(_ old: String, _ new: String) -> [(key: String, old: String, new: String)] {
    let (before, after) = (settings(in: old), settings(in: new))
    let (oldValues, newValues) = (Dictionary(before) { $1 }, Dictionary(after) { $1 })
    let keys = after.map(\.key) + before.map(\.key).filter { newValues[$0] == nil }
    return keys.compactMap { key in
        let (old, new) = (oldValues[key] ?? "null", newValues[key] ?? "null")
        return old == new ? nil : (key, old, new)
    }
}

/// The values by dotted key, in the order of the text.
package func settings(in yaml: String) -> [(key: String, value: String)] {
    var result: [(key: String, value: String)] = []
    var path: [Substring] = []
    for line in yaml.split(separator: "\n") {
        guard let match = line.wholeMatch(of: /( *)(\w+):(?: (.*))?/) else {
            // A long list goes on.
            if !result.isEmpty { result[result.count - 1].value += " " + line.drop { $0 == " " } }
            continue
        }
        path = path.prefix(match.1.count / 2) + [match.2]
        if let value = match.3 { result.append((path.joined(separator: "."), String(value))) }
    }
    return result
}

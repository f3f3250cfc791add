/// A key whose value differs between two configurations.
package struct ConfigurationChange: Sendable, Equatable, CustomStringConvertible {
    /// The dotted path of the key.
    package let key: String
    /// The values as YAML; `null` for a missing key.
    package let old: String, new: String

    /// `training.steps: 20 → 40`
    package var description: String { "\(key): \(old) → \(new)" }
}

extension Configuration {
    /// A value with its dotted key.
    package struct Setting: Sendable, Equatable {
        package let key: String
        /// The value as YAML on one line.
        package let value: String

        /// True if the key is one of some dotted keys, or inside a section that they name.
        package func isIn(_ keys: [String]) -> Bool { contains(keys, key) }
    }

    /// The differences to a newer configuration, in the order of that; keys that only this one has come last.
    package func changes(to newer: Configuration) -> [ConfigurationChange] {
        let (before, after) = (settings, newer.settings)
        let oldValues = Dictionary(before.map { ($0.key, $0.value) }) { $1 }
        let newValues = Dictionary(after.map { ($0.key, $0.value) }) { $1 }
        let keys = after.map(\.key) + before.map(\.key).filter { newValues[$0] == nil }
        return keys.compactMap { key in
            let change = ConfigurationChange(key: key, old: oldValues[key] ?? "null", new: newValues[key] ?? "null")
            return change.old == change.new ? nil : change
        }
    }
}

extension ConfigurationChange {
    /// True if the key is one of some dotted keys, or inside a section that they name.
    package func isIn(_ keys: [String]) -> Bool { contains(keys, key) }
}

private func contains(_ keys: [String], _ key: String) -> Bool {
    keys.contains { key == $0 || key.hasPrefix($0 + ".") }
}

import Foundation

/// A tree of settings from a YAML file and `key=value` arguments, each with its source position.
///
/// The tree has no schema. Its values are decoded through a `Section`, which reports the keys that were not read.
///
///     var configuration = try Configuration(contentsOf: "configs/quickstart.yaml")
///     try configuration.override("training.steps=100")
///     let root = configuration.section()
package struct Configuration: Sendable {
    /// The name of the file in error messages.
    package let name: String
    var entries: [Value.Entry]

    /// Reads a file alone. Throws `ConfigurationError` if it does not exist or is not a mapping in valid YAML.
    init(file path: String) throws {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw ConfigurationError(path, "no such file")
        }
        guard !isDirectory.boolValue else {
            throw ConfigurationError(path, "is a directory, not a YAML file")
        }
        // `FileManager.contents` does not read pipes.
        guard let data = try? FileHandle(forReadingAtPath: path)?.readToEnd() ?? Data() else {
            throw ConfigurationError(path, "cannot be read; check its permissions")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw ConfigurationError(path, "is not UTF-8 text; is it a YAML file?")
        }
        try self.init(yaml: text, name: path)
    }

    /// Parses YAML text; an empty document is an empty mapping.
    ///
    /// - Parameters:
    ///   - name: the name of the text in error messages.
    ///   - isOfCheckpoint: true for the complete configuration in a checkpoint, in whose paths `$` and braces have no
    ///     meaning, because their values are already in place.
    ///
    /// Throws `ConfigurationError`.
    package init(yaml: String, name: String = "configuration", isOfCheckpoint: Bool = false) throws {
        self.name = name
        // A byte-order mark, which some editors write, is not part of the text.
        let text = yaml.unicodeScalars.first == "\u{FEFF}" ? String(yaml.unicodeScalars.dropFirst()) : yaml
        let root = try YAML.parse(text) { isOfCheckpoint ? .checkpoint(name, line: $0) : .file(name, line: $0) }
        switch root.content {
        case .null: entries = []
        case .map(let entries): self.entries = entries
        default:
            let message = "expected a mapping of keys to values, found \(root.content.phrase)"
            throw ConfigurationError(root.place, "", message)
        }
    }

    /// Applies a command-line argument; later ones win.
    ///
    /// - `optimizer.learning_rate=3e-4` sets a key to a value written in YAML (`[a.h5, b.h5]`, `null`,
    ///   `{name: sgd}`), in which a word may begin with `*` or `&`, creating sections as needed; a section is replaced,
    ///   not merged. Any path may be set: an unknown one is reported when the tree is decoded, like a misspelt key of
    ///   the file.
    /// - `+key=value` and `++key=value` do the same, as in Hydra.
    /// - `~tasks.regression` deletes a key, which must exist.
    ///
    /// Throws `ConfigurationError` if the argument has another form or its value is not valid YAML.
    package mutating func override(_ assignment: String) throws {
        if assignment.hasPrefix("~") {
            let path = try Self.path(assignment.dropFirst(), in: assignment)
            try Self.delete(path[...], of: path, from: &entries)
            return
        }
        guard let equals = assignment.firstIndex(of: "=") else {
            let message = "'\(assignment)' has no '='; write key=value to set a key, ~key to delete one"
            throw ConfigurationError(.commandLine, "", message)
        }
        let path = try Self.path(assignment[..<equals].drop { $0 == "+" }, in: assignment)
        guard path != [Self.defaultsKey] else {
            throw ConfigurationError(.commandLine, Self.defaultsKey, "is a key of files; it has no effect here")
        }
        let text = String(assignment[assignment.index(after: equals)...])
        let value: Value
        do {
            value = try YAML.parse(argument: text)
        } catch let error as ConfigurationError {
            let problem = error.description.dropFirst("\(Place.commandLine): ".count)
            throw ConfigurationError(.commandLine, path.joined(separator: "."), String(problem))
        }
        try Self.set(path[...], of: path, to: value, in: &entries)
    }

    /// The tree with its overrides, as YAML.
    package var yaml: String { YAML.text(of: entries) }

    /// The values by dotted key, in the order of the file.
    package var settings: [Setting] { Self.settings(of: entries, in: "") }

    private static func settings(of entries: [Value.Entry], in section: String) -> [Setting] {
        entries.flatMap { entry in
            let key = section.isEmpty ? entry.key : "\(section).\(entry.key)"
            if case .map(let children) = entry.value.content, !children.isEmpty {
                return settings(of: children, in: key)
            }
            return [Setting(key: key, value: YAML.inlineText(of: entry.value.content))]
        }
    }

    /// The root section of a new decoding, in which no key has been read.
    package func section() -> Section {
        Section(path: "", entries: entries, place: .file(name, line: nil))
    }

    /// The complete configuration: every value that was read under `section`, given or default, in the order of
    /// reading. Decoding it again gives the same values.
    package func resolved(from section: Section) -> Configuration {
        var resolved = self
        resolved.entries = section.resolved
        return resolved
    }

    /// The value of a dotted key as YAML on one line; nil if it is missing or a section with keys.
    package func value(of key: String) -> String? { settings.first { $0.key == key }?.value }

    /// True if the tree has a section, even an empty one, under a dotted key.
    package func hasSection(_ key: String) -> Bool {
        settings.contains { $0.key.hasPrefix(key + ".") || ($0.key == key && $0.value == "{}") }
    }

    /// The section under a key of the root as a configuration of its own; nil if there is none.
    package func section(under key: String) -> Configuration? {
        guard case .map(let entries)? = entries.first(where: { $0.key == key })?.value.content else { return nil }
        var result = self
        result.entries = entries
        return result
    }

    /// The same with another configuration as the last section of the root; nil removes the section.
    package func with(_ configuration: Configuration?, under key: String) -> Configuration {
        var result = self
        result.entries.removeAll { $0.key == key }
        if let configuration {
            let place = Place.file(configuration.name, line: nil)
            let value = Value(content: .map(configuration.entries), place: place)
            result.entries.append(Value.Entry(key: key, place: place, value: value))
        }
        return result
    }

    /// Gives a key another name in its section, unless that name is taken; such as `flow.context` to `condition`.
    package mutating func rename(_ key: String, to name: String) {
        Self.rename(key.split(separator: ".").map(String.init)[...], to: name, in: &entries)
    }

    private static func rename(_ path: ArraySlice<String>, to name: String, in entries: inout [Value.Entry]) {
        guard let key = path.first, let index = entries.firstIndex(where: { $0.key == key }) else { return }
        let entry = entries[index]
        if path.count > 1 {
            guard case .map(var children) = entry.value.content else { return }
            rename(path.dropFirst(), to: name, in: &children)
            entries[index].value.content = .map(children)
        } else if !entries.contains(where: { $0.key == name }) {
            entries[index] = Value.Entry(key: name, place: entry.place, value: entry.value)
        }
    }

    // MARK: - Paths

    /// The maximum number of parts of a dotted key.
    private static let maximumDepth = 64

    private static func path(_ text: Substring, in assignment: String) throws -> [String] {
        let path = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard path.allSatisfy({ $0.wholeMatch(of: /[^\s=~+]+/) != nil }) else {
            let form = text.hasPrefix("~") ? "~section.key, without a value" : "section.key=value"
            let message = "'\(text)' in '\(assignment)' is not a key; write \(form)"
            throw ConfigurationError(.commandLine, "", message)
        }
        guard path.count <= maximumDepth else {
            let message = "'\(text)' has more than \(maximumDepth) parts; no key is that deep"
            throw ConfigurationError(.commandLine, "", message)
        }
        return path
    }

    private static func set(
        _ rest: ArraySlice<String>, of path: [String], to value: Value, in entries: inout [Value.Entry]
    ) throws {
        let key = rest[rest.startIndex]
        let deeper = rest.dropFirst()
        let index = entries.firstIndex { $0.key == key }
        let present = index.map { entries[$0] }
        var entry = Value.Entry(key: key, place: .commandLine, value: value)
        if !deeper.isEmpty {
            var children: [Value.Entry] = []
            switch present?.value.content {
            case .map(let present): children = present
            case .null, nil: break
            case let other?: throw notSection(rest, of: path, other)
            }
            try set(deeper, of: path, to: value, in: &children)
            let place = present?.place ?? .commandLine
            let section = Value(content: .map(children), place: present?.value.place ?? .commandLine)
            entry = Value.Entry(key: key, place: place, value: section)
        }
        if let index {
            entries[index] = entry
        } else {
            entries.append(entry)
        }
    }

    private static func delete(
        _ rest: ArraySlice<String>, of path: [String], from entries: inout [Value.Entry]
    ) throws {
        let key = rest[rest.startIndex]
        guard let index = entries.firstIndex(where: { $0.key == key }) else {
            let hint = suggestion(for: key, among: entries.map(\.key))
            let missing = path[...rest.startIndex].joined(separator: ".")
            throw ConfigurationError(.commandLine, missing, "no such key to delete\(hint)")
        }
        let deeper = rest.dropFirst()
        guard !deeper.isEmpty else {
            entries.remove(at: index)
            return
        }
        guard case .map(var children) = entries[index].value.content else {
            throw notSection(rest, of: path, entries[index].value.content)
        }
        try delete(deeper, of: path, from: &children)
        entries[index].value.content = .map(children)
    }

    private static func notSection(
        _ rest: ArraySlice<String>, of path: [String], _ content: Value.Content
    ) -> ConfigurationError {
        let section = path[...rest.startIndex].joined(separator: ".")
        let message = "'\(section)' is not a section, it is \(content.phrase)"
        return ConfigurationError(.commandLine, path.joined(separator: "."), message)
    }
}

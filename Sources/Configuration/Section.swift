/// A section of a configuration during decoding.
///
/// Values are read by key, with defaults. The section records the keys that were read, so that `finish()` can report
/// the others as unknown, the complete configuration can be written with all defaults, and the reference can list every
/// key. Reading a key twice requires the same type and default.
///
///     let section = try root.section("optimizer")
///     learningRate = try section.double("learning_rate", default: 1e-3, in: .nonNegative, help: "peak learning rate")
///     try root.finish()
package final class Section {
    /// The dotted path from the root; empty at the root.
    package let path: String
    private let entries: [Value.Entry]
    private let place: Place
    private var traits: KeyTraits
    private var decoded: [(key: String, value: Decoded)] = []
    private var absent: [String] = []
    private var ignored: Set<String> = []
    private var descriptions: [String: KeyDescription] = [:]

    private enum Decoded {
        case value(Value.Content)
        case section(Section)
    }

    init(path: String, entries: [Value.Entry], place: Place, traits: KeyTraits = []) {
        self.path = path
        self.entries = entries
        self.place = place
        self.traits = traits
    }

    // MARK: - Keys

    /// The keys that are present, in the order of the file.
    package var keys: [String] { entries.map(\.key) }

    /// True if the key is present, even as `null`. Does not mark the key as read.
    package func has(_ key: String) -> Bool {
        let isPresent = entry(key) != nil
        if !isPresent, !absent.contains(key) { absent.append(key) }
        return isPresent
    }

    /// True if the key is missing or `null`, which marks it as read; any other value remains to be read.
    ///
    /// - Parameter help: the sentence about the key, if it is not given where its value is read.
    package func isNull(_ key: String, _ traits: KeyTraits = [], help: String? = nil) -> Bool {
        guard entry(key).map({ $0.value.content == .null }) ?? true else { return false }
        record(key, .null, help.map { KeyDescription(help: $0, traits: traits, defaultValue: .null) })
        return true
    }

    /// Accepts a key without reading it: `finish()` does not report it, and the resolved configuration leaves it out.
    package func ignore(_ key: String) { ignored.insert(key) }

    // MARK: - Sections

    /// The section of a key; a missing or `null` one is empty, so that its defaults apply.
    ///
    /// - Parameter traits: apply to all keys of the section.
    ///
    /// Throws `ConfigurationError` if the key has another value.
    package func section(_ key: String, _ traits: KeyTraits = []) throws -> Section {
        for case (key, .section(let section)) in decoded {
            section.traits.formUnion(traits)
            return section
        }
        let children: [Value.Entry]
        switch entry(key)?.value.content {
        case .map(let entries): children = entries
        case .null, nil: children = []
        case let other?: throw error(key, "expected a section, found \(other.phrase)")
        }
        let section = Section(
            path: dotted(key), entries: children, place: entry(key)?.place ?? place, traits: traits)
        // `isNull` may have recorded the key as null before.
        decoded.removeAll { $0.key == key }
        decoded.append((key, .section(section)))
        return section
    }

    /// The section of a key, nil if it is missing or `null`.
    ///
    /// Throws `ConfigurationError` if the key has another value.
    package func optionalSection(_ key: String, _ traits: KeyTraits = [], help: String) throws -> Section? {
        if descriptions[key] == nil {
            descriptions[key] = KeyDescription(help: help, traits: traits, defaultValue: .null, isSection: true)
        }
        return isNull(key) ? nil : try section(key, traits)
    }

    // MARK: - Errors

    /// An error about a key, with its place and path, for further checks by the caller.
    package func error(_ key: String, _ message: String) -> ConfigurationError {
        ConfigurationError(entry(key)?.place ?? place, dotted(key), message)
    }

    /// Throws a `ConfigurationError` that names every key that was given but not read, in this section and those below,
    /// with its place and the most likely intended key.
    package func finish() throws {
        var pathsOfKey: [String: [String]] = [:]
        visit { section in
            for (key, _) in section.decoded { pathsOfKey[key, default: []].append(section.dotted(key)) }
        }
        var errors: [ConfigurationError] = []
        visit { section in
            for entry in section.entries
            where !section.ignored.contains(entry.key) && !section.decoded.contains(where: { $0.key == entry.key }) {
                let hint = section.hint(for: entry, elsewhere: pathsOfKey[entry.key] ?? [], root: place)
                errors.append(section.error(entry.key, "unknown key\(hint)"))
            }
        }
        guard errors.isEmpty else { throw ConfigurationError(errors) }
    }

    private func hint(for entry: Value.Entry, elsewhere paths: [String], root: Place) -> String {
        let key = entry.key
        if key.contains(":") { return "; write a space after the colon" }
        let known = decoded.map(\.key) + absent.filter { key in !decoded.contains { $0.key == key } }
        if let candidate = nearest(to: key, among: known) { return "; did you mean '\(candidate)'?" }
        if paths.count == 1 { return "; did you mean '\(paths[0])'?" }
        if key.contains(".") { return "; dotted keys are allowed on the command line only" }
        if known.isEmpty { return "; this section has no keys" }
        return "; known keys: \(known.joined(separator: ", "))" + removal(of: entry, root: root)
    }

    /// How to remove a key of a file that another file or the command line has made meaningless, such as the half-life
    /// of a schedule that they replace; empty if they do not change this section.
    private func removal(of entry: Value.Entry, root: Place) -> String {
        guard entry.place != .commandLine else { return "" }
        let places = entries.map(\.place)
        if places.contains(.commandLine) { return "; '~\(dotted(entry.key))' removes it" }
        guard !entry.place.isOfSameSource(as: root), places.contains(where: { !$0.isOfSameSource(as: entry.place) })
        else { return "" }
        return "; '~\(entry.key):' in this section of \(root.source) removes it"
    }

    private func visit(_ body: (Section) -> Void) {
        body(self)
        for case (_, .section(let section)) in decoded { section.visit(body) }
    }

    private func dotted(_ key: String) -> String {
        path.isEmpty ? key : "\(path).\(key)"
    }

    // MARK: - Decoded values

    func entry(_ key: String) -> Value.Entry? {
        entries.first { $0.key == key }
    }

    func record(_ key: String, _ content: Value.Content, _ description: KeyDescription? = nil) {
        if let description { descriptions[key] = description }
        if !decoded.contains(where: { $0.key == key }) { decoded.append((key, .value(content))) }
    }

    /// All values that were read, in the order of reading.
    var resolved: [Value.Entry] {
        decoded.map { key, value in
            let content =
                switch value {
                case .value(let content): content
                case .section(let section): Value.Content.map(section.resolved)
                }
            return Value.Entry(key: key, place: place, value: Value(content: content, place: place))
        }
    }

    /// All keys that were read here and in the sections below, in the order of reading.
    package var keysRead: [ConfigurationKey] { keysRead(inheriting: []) }

    private func keysRead(inheriting inherited: KeyTraits) -> [ConfigurationKey] {
        let traits = traits.union(inherited)
        return decoded.flatMap { key, value in
            let description = descriptions[key] ?? KeyDescription(defaultValue: .null)
            switch value {
            case .section(let section):
                return (description.isSection ? [self.key(key, description, traits, value: nil)] : [])
                    + section.keysRead(inheriting: traits)
            case .value(let content): return [self.key(key, description, traits, value: content)]
            }
        }
    }

    private func key(
        _ key: String, _ description: KeyDescription, _ traits: KeyTraits, value: Value.Content?
    ) -> ConfigurationKey {
        ConfigurationKey(
            path: dotted(key), help: description.help, traits: traits.union(description.traits),
            expected: description.expected, requirement: description.requirement, choices: description.choices,
            defaultText: description.defaultValue.map { YAML.inlineText(of: $0) },
            valueText: value.map { YAML.inlineText(of: $0) } ?? "", isSection: description.isSection,
            isNull: value == .null)
    }
}

/// A part of a configuration that is being decoded.
///
/// It answers questions for keys, with defaults, and remembers which were asked, so that `finish()` can name
/// the keys that nobody asked for, and the whole configuration can be written with every default. A key that
/// is asked for twice must be asked for alike.
package final class Section {
    /// The dotted path from the root; empty at the root.
    package let path: String
    private let entries: [Value.Entry]
    private let place: Place
    private var answered: [(key: String, answer: Answer)] = []
    private var absent: [String] = []
    private var notes: [String: Note] = [:]

    /// How a key was asked for.
    struct Note {
        var expected = ""
        var requirement = ""
        var choices: [String] = []
        var usual: Value.Content?
        var isSection = false
    }

    private enum Answer {
        case value(Value.Content)
        case section(Section)
    }

    init(path: String, entries: [Value.Entry], place: Place) {
        self.path = path
        self.entries = entries
        self.place = place
    }

    // MARK: - Keys

    /// The keys that were given, in the order of the file.
    package var keys: [String] { entries.map(\.key) }

    /// Whether the key was given, be it as `null`. Does not count as asking for its value.
    package func has(_ key: String) -> Bool {
        let isGiven = given(key) != nil
        if !isGiven { absent.append(key) }
        return isGiven
    }

    /// Whether the key is missing or `null`, which settles it; a value that is there is yet to be asked for.
    package func isNull(_ key: String) -> Bool {
        guard given(key).map({ $0.value.content == .null }) ?? true else { return false }
        record(key, .null)
        return true
    }

    // MARK: - Sections

    /// The section of a key; a missing or `null` one is empty, so that its defaults apply.
    /// Throws `ConfigurationError` if the key holds something else.
    package func section(_ key: String) throws -> Section {
        for case (key, .section(let section)) in answered { return section }
        let section: Section
        switch given(key)?.value.content {
        case .map(let entries):
            section = Section(path: dotted(key), entries: entries, place: given(key)?.place ?? place)
        case .null, nil:
            section = Section(path: dotted(key), entries: [], place: given(key)?.place ?? place)
        case let other?:
            throw error(key, "expected a section, found \(other.found)")
        }
        // A section that was first found to be missing by isNull is now wanted for its defaults.
        answered.removeAll { $0.key == key }
        answered.append((key, .section(section)))
        return section
    }

    /// The section of a key, `nil` if it is missing or `null`.
    /// Throws `ConfigurationError` if the key holds something else.
    package func optionalSection(_ key: String) throws -> Section? {
        if notes[key] == nil { notes[key] = Note(usual: .null, isSection: true) }
        return isNull(key) ? nil : try section(key)
    }

    // MARK: - Complaints

    /// An error about a key, for checks of the caller's own, with the place and the path of the key.
    package func error(_ key: String, _ message: String) -> ConfigurationError {
        ConfigurationError(given(key)?.place ?? place, dotted(key), message)
    }

    /// Throws `ConfigurationError` naming every key that was given but not asked for, in this section and in
    /// those it handed out, with the place and the most likely meaning of each.
    package func finish() throws {
        var homes: [String: [String]] = [:]
        visit { section in
            for (key, _) in section.answered { homes[key, default: []].append(section.dotted(key)) }
        }
        var complaints: [ConfigurationError] = []
        visit { section in
            for entry in section.entries where !section.answered.contains(where: { $0.key == entry.key }) {
                let hint = section.hint(for: entry.key, homes: homes[entry.key] ?? [])
                complaints.append(section.error(entry.key, "unknown key\(hint)"))
            }
        }
        guard complaints.isEmpty else { throw ConfigurationError(complaints) }
    }

    private func hint(for key: String, homes: [String]) -> String {
        let known = answered.map(\.key) + absent
        if let candidate = nearest(to: key, among: known) { return "; did you mean '\(candidate)'?" }
        if homes.count == 1 { return "; did you mean '\(homes[0])'?" }
        if key.contains(".") { return "; only the command line takes dotted keys" }
        if known.isEmpty { return "; this section takes no keys" }
        return "; known here: \(known.joined(separator: ", "))"
    }

    private func visit(_ body: (Section) -> Void) {
        body(self)
        for case (_, .section(let section)) in answered { section.visit(body) }
    }

    private func dotted(_ key: String) -> String {
        path.isEmpty ? key : "\(path).\(key)"
    }

    // MARK: - Answers

    func given(_ key: String) -> Value.Entry? {
        entries.first { $0.key == key }
    }

    func record(_ key: String, _ content: Value.Content, _ note: Note? = nil) {
        if let note { notes[key] = note }
        if !answered.contains(where: { $0.key == key }) { answered.append((key, .value(content))) }
    }

    /// All that was asked for, in the order of asking.
    var answers: [Value.Entry] {
        answered.map { key, answer in
            let content =
                switch answer {
                case .value(let content): content
                case .section(let section): Value.Content.map(section.answers)
                }
            return Value.Entry(key: key, place: place, value: Value(content: content, place: place))
        }
    }

    /// All keys that were asked for here and in the sections below, in the order of asking, with what was expected.
    package var askedKeys: [ConfigurationKey] {
        answered.flatMap { key, answer in
            let note = notes[key] ?? Note(usual: .null)
            switch answer {
            case .section(let section):
                return (note.isSection ? [self.key(key, note, isNull: false)] : []) + section.askedKeys
            case .value(let content): return [self.key(key, note, isNull: content == .null)]
            }
        }
    }

    private func key(_ key: String, _ note: Note, isNull: Bool) -> ConfigurationKey {
        ConfigurationKey(
            path: dotted(key), expected: note.expected, requirement: note.requirement, choices: note.choices,
            usual: note.usual.map { YAML.inlineText(of: $0) }, isSection: note.isSection, isNull: isNull)
    }
}

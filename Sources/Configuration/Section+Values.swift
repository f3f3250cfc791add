/// The typed questions. Each throws `ConfigurationError` if the value is of another type or out of bounds,
/// and, where there is no default, if it is missing. The optional forms give `nil` for a missing key, for
/// `null`, and for the word `absent` (as in `threads: auto`), which is what the resolved configuration shows.
extension Section {
    /// A whole number.
    package func int(
        _ key: String, default: Int? = nil, in bounds: ClosedRange<Int>? = nil
    ) throws -> Int {
        try answer(key, .integer.bounded(bounds), default: `default`)
    }

    /// A whole number or none.
    package func optionalInt(
        _ key: String, in bounds: ClosedRange<Int>? = nil, absent: String? = nil
    ) throws -> Int? {
        try optionalAnswer(key, .integer.bounded(bounds), absent: absent)
    }

    /// A list of whole numbers, each within the bounds, or none.
    package func optionalInts(
        _ key: String, in bounds: ClosedRange<Int>? = nil, absent: String? = nil
    ) throws -> [Int]? {
        try optionalAnswer(key, Kind.integer.bounded(bounds).list(named: "a list of integers"), absent: absent)
    }

    /// A finite number; integers are numbers.
    package func double(
        _ key: String, default: Double? = nil, in bounds: ClosedRange<Double>? = nil
    ) throws -> Double {
        try answer(key, .number.bounded(bounds), default: `default`)
    }

    /// A finite number or none.
    package func optionalDouble(
        _ key: String, in bounds: ClosedRange<Double>? = nil, absent: String? = nil
    ) throws -> Double? {
        try optionalAnswer(key, .number.bounded(bounds), absent: absent)
    }

    /// A list of finite numbers, each within the bounds.
    package func doubles(
        _ key: String, default: [Double]? = nil, in bounds: ClosedRange<Double>? = nil
    ) throws -> [Double] {
        let item = Kind.number.bounded(bounds)
        return try answer(key, item.list(named: "a list of numbers"), default: `default`)
    }

    /// A list of finite numbers, each within the bounds, or none.
    package func optionalDoubles(
        _ key: String, in bounds: ClosedRange<Double>? = nil, absent: String? = nil
    ) throws -> [Double]? {
        try optionalAnswer(key, Kind.number.bounded(bounds).list(named: "a list of numbers"), absent: absent)
    }

    /// A time in seconds or none, given as in `23:50:00`, `1-12:00:00`, `90m`, `2h`, or as a number of seconds.
    package func optionalDuration(_ key: String) throws -> Double? {
        try optionalAnswer(key, .duration, absent: nil)
    }

    /// `true` or `false`.
    package func bool(_ key: String, default: Bool? = nil) throws -> Bool {
        try answer(key, .boolean, default: `default`)
    }

    /// A text.
    package func string(_ key: String, default: String? = nil) throws -> String {
        try answer(key, .string, default: `default`)
    }

    /// A text in which `{word}` stands for the value of a word; the resolved configuration has the value.
    package func template(
        _ key: String, default: String, words: KeyValuePairs<String, () throws -> String>
    ) throws -> String {
        func filled(_ text: String) throws -> String {
            var result = ""
            var rest = text[...]
            while let match = rest.firstMatch(of: /\{([^{}]*)\}/) {
                guard let word = words.first(where: { $0.key == match.1 }) else {
                    let known = words.map { "{\($0.key)}" }.joined(separator: ", ")
                    throw error(key, "there is no word {\(match.1)}; known are \(known)")
                }
                result += rest[..<match.range.lowerBound] + (try word.value())
                rest = rest[match.range.upperBound...]
            }
            return result + rest
        }
        let kind = Kind<String>(
            name: Kind.string.name, read: { try filled(Kind.string.read($0)) }, write: Kind.string.write)
        return try answer(
            key, kind, default: filled(`default`), note: note(Kind.string, .string(`default`)))
    }

    /// A text or none.
    package func optionalString(_ key: String, absent: String? = nil) throws -> String? {
        try optionalAnswer(key, .string, absent: absent)
    }

    /// A list of texts; a single text is a list of one.
    package func strings(_ key: String, default: [String]? = nil) throws -> [String] {
        try answer(key, Self.texts, default: `default`)
    }

    /// A list of texts or none; a single text is a list of one, unless it is the word `absent`.
    package func optionalStrings(_ key: String, absent: String? = nil) throws -> [String]? {
        try optionalAnswer(key, Self.texts, absent: absent)
    }

    /// One of the words of an enumeration.
    package func choice<C: RawRepresentable & CaseIterable>(
        _ key: String, of type: C.Type = C.self, default: C? = nil
    ) throws -> C where C.RawValue == String {
        try answer(key, .choice, default: `default`)
    }

    private static var texts: Kind<[String]> {
        Kind.string.list(named: "a list of strings")
    }

    private func answer<T>(_ key: String, _ kind: Kind<T>, default: T?) throws -> T {
        try answer(key, kind, default: `default`, note: note(kind, `default`.map(kind.write)))
    }

    private func answer<T>(_ key: String, _ kind: Kind<T>, default: T?, note: Note) throws -> T {
        guard let given = given(key) else {
            guard let `default` else { throw error(key, "missing; expected \(kind.name)") }
            record(key, kind.write(`default`), note)
            return `default`
        }
        let content = given.value.content
        do {
            let value = try kind.read(content)
            record(key, kind.write(value), note)
            return value
        } catch let mismatch as Mismatch {
            throw error(key, mismatch.message(expected: kind.name, found: content))
        }
    }

    private func optionalAnswer<T>(_ key: String, _ kind: Kind<T>, absent: String?) throws -> T? {
        let none = absent.map(Value.Content.string) ?? .null
        var kind = kind
        if let absent { kind.name += " or '\(absent)'" }
        let note = note(kind, none)
        switch given(key)?.value.content {
        case nil, .null, none:
            record(key, none, note)
            return nil
        default: return try answer(key, kind, default: nil, note: note)
        }
    }

    private func note<T>(_ kind: Kind<T>, _ usual: Value.Content?) -> Note {
        Note(expected: kind.name, requirement: kind.requirement, choices: kind.choices, usual: usual)
    }
}

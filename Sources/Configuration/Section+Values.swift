/// Typed values by key. Each method takes the description of the key that the reference and `kaon init` show, and
/// throws `ConfigurationError` if the value has another type, is out of range, or is missing without a default.
///
///     steps = try section.int("steps", default: 1_000_000, in: .nonNegative, help: "optimizer steps of the run")
///
/// The optional methods return nil for a missing key, for `null`, and for the word `absent` (as in `threads: auto`),
/// which is then shown in the resolved configuration.
extension Section {
    /// A whole number.
    package func int(
        _ key: String, default: Int? = nil, in range: ClosedRange<Int>? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> Int {
        try value(key, .integer.limited(to: range), default: `default`, traits, help)
    }

    /// A whole number or nil. With a default, which applies to a missing key, only `null` and `absent` give nil.
    package func optionalInt(
        _ key: String, default: Int? = nil, in range: ClosedRange<Int>? = nil, absent: String? = nil,
        _ traits: KeyTraits = [], help: String
    ) throws -> Int? {
        try optionalValue(key, .integer.limited(to: range), absent: absent, default: `default`, traits, help)
    }

    /// A list of whole numbers, each within the range.
    package func ints(
        _ key: String, default: [Int]? = nil, in range: ClosedRange<Int>? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> [Int] {
        let codec = ValueCodec.integer.limited(to: range).list(typeName: "a list of integers")
        return try value(key, codec, default: `default`, traits, help)
    }

    /// A list of whole numbers, each within the range, or nil.
    package func optionalInts(
        _ key: String, in range: ClosedRange<Int>? = nil, absent: String? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> [Int]? {
        let codec = ValueCodec.integer.limited(to: range).list(typeName: "a list of integers")
        return try optionalValue(key, codec, absent: absent, traits, help)
    }

    /// A finite number; integers are numbers.
    package func double(
        _ key: String, default: Double? = nil, in range: ClosedRange<Double>? = nil, _ traits: KeyTraits = [],
        help: String
    ) throws -> Double {
        try value(key, .number.limited(to: range), default: `default`, traits, help)
    }

    /// A finite number or nil. With a default, which applies to a missing key, only `null` and `absent` give nil.
    ///
    /// - Parameter hint: follows the error about a number outside the range.
    package func optionalDouble(
        _ key: String, default: Double? = nil, in range: ClosedRange<Double>? = nil, hint: String = "",
        absent: String? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> Double? {
        let codec = ValueCodec.number.limited(to: range, hint: hint)
        return try optionalValue(key, codec, absent: absent, default: `default`, traits, help)
    }

    /// A list of finite numbers, each within the range.
    package func doubles(
        _ key: String, default: [Double]? = nil, in range: ClosedRange<Double>? = nil, _ traits: KeyTraits = [],
        help: String
    ) throws -> [Double] {
        let codec = ValueCodec.number.limited(to: range).list(typeName: "a list of numbers")
        return try value(key, codec, default: `default`, traits, help)
    }

    /// A list of finite numbers, each within the range, or nil.
    package func optionalDoubles(
        _ key: String, in range: ClosedRange<Double>? = nil, absent: String? = nil, _ traits: KeyTraits = [],
        help: String
    ) throws -> [Double]? {
        let codec = ValueCodec.number.limited(to: range).list(typeName: "a list of numbers")
        return try optionalValue(key, codec, absent: absent, traits, help)
    }

    /// A time in seconds or nil, given as in `23:50:00`, `1-12:00:00`, `90m`, `2h`, or as a number of seconds.
    package func optionalDuration(_ key: String, _ traits: KeyTraits = [], help: String) throws -> Double? {
        try optionalValue(key, .duration, absent: nil, traits, help)
    }

    /// `true` or `false`.
    package func bool(
        _ key: String, default: Bool? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> Bool {
        try value(key, .boolean, default: `default`, traits, help)
    }

    /// A string.
    package func string(
        _ key: String, default: String? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> String {
        try value(key, .string, default: `default`, traits, help)
    }

    /// A path in which variables, as in `path`, and `{word}` are replaced by their values; the resolved configuration
    /// has the values, which must not have `{`, `}` or `$`: it would be another path when it is read again.
    package func template(
        _ key: String, default: String, words: KeyValuePairs<String, () throws -> String>, _ traits: KeyTraits = [],
        help: String
    ) throws -> String {
        func filled(_ text: String) throws -> String {
            var result = ""
            var rest = text[...]
            while let match = rest.firstMatch(of: /\{([^{}]*)\}/) {
                guard let word = words.first(where: { $0.key == match.1 }) else {
                    let known = words.map { "{\($0.key)}" }.joined(separator: ", ")
                    throw error(key, "unknown placeholder {\(match.1)}; known are \(known)")
                }
                result += rest[..<match.range.lowerBound] + (try word.value())
                rest = rest[match.range.upperBound...]
            }
            result += rest
            guard !result.contains(where: { "{}$".contains($0) }) else {
                throw error(
                    key,
                    "becomes '\(result)', in which '{', '}' and '$' are not allowed; change the values of its "
                        + "placeholders or variables")
            }
            return result
        }
        let codec = ValueCodec<String>(
            typeName: ValueCodec.string.typeName, decode: { try filled(ValueCodec.path.decode($0)) },
            encode: ValueCodec.string.encode)
        let description = description(of: ValueCodec.string, default: .string(`default`), traits.union(.path), help)
        return try value(
            key, hasValuesInPlace(key) ? .string : codec,
            default: entry(key) == nil ? filled(`default`) : `default`, description)
    }

    /// A path. `~` at the start, `$NAME` and `${NAME}` are replaced by the values of environment variables; the
    /// resolved configuration has the values, and that of a checkpoint is taken as it is.
    package func path(
        _ key: String, default: String? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> String {
        try value(key, pathCodec(key), default: `default`, traits.union(.path), help)
    }

    /// A path or nil, with variables as in `path`.
    package func optionalPath(_ key: String, _ traits: KeyTraits = [], help: String) throws -> String? {
        try optionalValue(key, pathCodec(key), absent: nil, traits.union(.path), help)
    }

    /// A list of paths, with variables as in `path`; a single path is a list of one.
    package func paths(
        _ key: String, default: [String]? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> [String] {
        try value(
            key, pathCodec(key).list(typeName: Self.strings.typeName), default: `default`, traits.union(.path), help)
    }

    private func pathCodec(_ key: String) -> ValueCodec<String> { hasValuesInPlace(key) ? .string : .path }

    /// True for a value from a checkpoint, in which variables and placeholders are already replaced.
    private func hasValuesInPlace(_ key: String) -> Bool {
        if case .checkpoint? = entry(key)?.value.place { true } else { false }
    }

    /// A string or nil.
    package func optionalString(
        _ key: String, absent: String? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> String? {
        try optionalValue(key, .string, absent: absent, traits, help)
    }

    /// A list of strings; a single string is a list of one.
    package func strings(
        _ key: String, default: [String]? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> [String] {
        try value(key, Self.strings, default: `default`, traits, help)
    }

    /// A list of strings or nil; a single string is a list of one, unless it is the word `absent`.
    package func optionalStrings(
        _ key: String, absent: String? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> [String]? {
        try optionalValue(key, Self.strings, absent: absent, traits, help)
    }

    /// One of the words of an enumeration.
    package func choice<C: RawRepresentable & CaseIterable>(
        _ key: String, of type: C.Type = C.self, default: C? = nil, _ traits: KeyTraits = [], help: String
    ) throws -> C where C.RawValue == String {
        try value(key, .choice, default: `default`, traits, help)
    }

    private static var strings: ValueCodec<[String]> {
        ValueCodec.string.list(typeName: "a list of strings")
    }

    private func value<T>(
        _ key: String, _ codec: ValueCodec<T>, default: T?, _ traits: KeyTraits, _ help: String
    ) throws -> T {
        let description = description(of: codec, default: `default`.map(codec.encode), traits, help)
        return try value(key, codec, default: `default`, description)
    }

    private func value<T>(
        _ key: String, _ codec: ValueCodec<T>, default: T?, _ description: KeyDescription
    ) throws -> T {
        guard let entry = entry(key) else {
            guard let `default` else { throw error(key, "missing; expected \(codec.typeName)") }
            record(key, codec.encode(`default`), description)
            return `default`
        }
        let content = entry.value.content
        do {
            let value = try codec.decode(content)
            record(key, codec.encode(value), description)
            return value
        } catch let mismatch as Mismatch {
            throw error(key, mismatch.message(expected: codec.typeName, found: content))
        }
    }

    private func optionalValue<T>(
        _ key: String, _ codec: ValueCodec<T>, absent: String?, default: T? = nil, _ traits: KeyTraits, _ help: String
    ) throws -> T? {
        let none = absent.map(Value.Content.string) ?? .null
        var codec = codec
        if let absent { codec.typeName += " or '\(absent)'" }
        let description = description(of: codec, default: `default`.map(codec.encode) ?? none, traits, help)
        switch entry(key)?.value.content {
        case nil where `default` != nil:
            record(key, `default`.map(codec.encode) ?? none, description)
            return `default`
        case nil, .null, none:
            record(key, none, description)
            return nil
        default: return try value(key, codec, default: nil, description)
        }
    }

    private func description<T>(
        of codec: ValueCodec<T>, default: Value.Content?, _ traits: KeyTraits, _ help: String
    ) -> KeyDescription {
        KeyDescription(
            help: help, traits: traits, expected: codec.typeName, requirement: codec.requirement,
            choices: codec.choices, defaultValue: `default`)
    }
}

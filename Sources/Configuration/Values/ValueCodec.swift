import System

/// Conversion between values of one type and nodes of a configuration tree.
struct ValueCodec<T> {
    /// The type with its article, for "expected …".
    var typeName: String
    /// The value of a node. Throws `Mismatch`.
    let decode: (Value.Content) throws -> T
    /// The node of a value.
    let encode: (T) -> Value.Content
    /// The condition on values, in words that follow "must be"; empty if there is none.
    var requirement = ""
    /// The words of an enumeration; empty for other types.
    var choices: [String] = []
}

/// Why a node cannot be decoded.
enum Mismatch: Error {
    /// The node has another type; the hint, if any, begins with a semicolon.
    case wrongType(hint: String = "")
    /// The type is right, but the value is not allowed; the message follows the key.
    case invalidValue(String)

    /// The error message for a node that should have been `expected`.
    func message(expected: String, found content: Value.Content) -> String {
        switch self {
        case .wrongType(let hint): "expected \(expected), found \(content.phrase)\(hint)"
        case .invalidValue(let message): message
        }
    }
}

extension ValueCodec where T: Comparable {
    /// The same codec for values within a range.
    ///
    /// - Parameter hint: follows the error about other values.
    func limited(to range: ClosedRange<T>?, hint: String = "") -> ValueCodec {
        guard let range else { return self }
        return ValueCodec(
            typeName: typeName,
            decode: { content in
                let value = try decode(content)
                guard range.contains(value) else {
                    throw Mismatch.invalidValue("must be \(phrase(for: range)), found \(spelled(value))\(hint)")
                }
                return value
            },
            encode: { value in
                let limits = phrase(for: range)
                invariant(range.contains(value), "the default \(value) is not \(limits)")
                return encode(value)
            },
            requirement: phrase(for: range))
    }
}

extension ValueCodec {
    /// A list of such values; a single value is a list of one.
    func list(typeName: String) -> ValueCodec<[T]> {
        ValueCodec<[T]>(
            typeName: typeName,
            decode: { content in
                switch content {
                case .list(let values): try values.enumerated().map { try item($1.content, number: $0 + 1) }
                case .null, .map: throw Mismatch.wrongType()
                default: [try decode(content)]
                }
            },
            // The place of an encoded value is never shown.
            encode: { .list($0.map { Value(content: encode($0), place: .commandLine) }) },
            requirement: requirement.isEmpty ? "" : "each \(requirement)")
    }

    private func item(_ content: Value.Content, number: Int) throws -> T {
        do {
            return try decode(content)
        } catch let mismatch as Mismatch {
            let message = mismatch.message(expected: typeName, found: content)
            throw Mismatch.invalidValue("item \(number): \(message)")
        }
    }
}

extension ValueCodec<Int> {
    /// Whole numbers, including `1e6` and `2.0`.
    static var integer: ValueCodec {
        ValueCodec(
            typeName: "an integer",
            decode: { content in
                switch content {
                case .integer(let integer):
                    return integer
                case .number(let number):
                    guard let integer = Int(exactly: number) else { throw Mismatch.wrongType() }
                    return integer
                default:
                    throw Mismatch.wrongType(hint: suffixHint(content))
                }
            },
            encode: Value.Content.integer)
    }
}

extension ValueCodec<Double> {
    /// Finite numbers with or without a decimal point.
    static var number: ValueCodec {
        ValueCodec(
            typeName: "a number",
            decode: { content in
                switch content {
                case .integer(let integer): Double(integer)
                case .number(let number): number
                default: throw Mismatch.wrongType(hint: suffixHint(content))
                }
            },
            encode: Value.Content.number)
    }
}

extension ValueCodec<Bool> {
    /// `true` and `false` only.
    static var boolean: ValueCodec {
        ValueCodec(
            typeName: "true or false",
            decode: { content in
                guard case .boolean(let flag) = content else { throw Mismatch.wrongType() }
                return flag
            },
            encode: Value.Content.boolean)
    }
}

extension ValueCodec<String> {
    /// Text.
    static var string: ValueCodec {
        ValueCodec(
            typeName: "a string",
            decode: { content in
                switch content {
                case .string(let text): text
                case .boolean, .integer, .number: throw Mismatch.wrongType(hint: "; quotes make it a string")
                default: throw Mismatch.wrongType()
                }
            },
            encode: Value.Content.string)
    }
}

extension ValueCodec where T: RawRepresentable & CaseIterable, T.RawValue == String {
    /// One of the words of an enumeration.
    static var choice: ValueCodec {
        let words = T.allCases.map(\.rawValue)
        return ValueCodec(
            typeName: "one of \(words.joined(separator: ", "))",
            decode: { content in
                guard case .string(let word) = content else { throw Mismatch.wrongType() }
                guard let choice = T(rawValue: word) else {
                    throw Mismatch.wrongType(hint: suggestion(for: word, among: words))
                }
                return choice
            },
            encode: { .string($0.rawValue) },
            choices: words)
    }
}

/// Number suffixes are rejected, since `1k` may mean 1000 or 1024.
private func suffixHint(_ content: Value.Content) -> String {
    guard case .string(let text) = content, text.wholeMatch(of: /[-+\d._]+[kKMGT]/) != nil else { return "" }
    return "; write numbers out, as in 100_000 or 1e5"
}

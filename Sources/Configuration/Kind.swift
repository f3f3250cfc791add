import System

/// How one type of value is read from a tree and written to one.
struct Kind<T> {
    /// The type with its article, for "expected …".
    var name: String
    /// The value in a node; throws `Mismatch`.
    let read: (Value.Content) throws -> T
    /// The node for a value.
    let write: (T) -> Value.Content
    /// What must be true of a value besides, in words that follow "must be"; empty where nothing must.
    var requirement = ""
    /// The words of an enumeration; empty where it is none.
    var choices: [String] = []
}

/// Why a node does not serve.
enum Mismatch: Error {
    /// It is of another kind; the hint, if any, begins with a semicolon.
    case wrongKind(hint: String = "")
    /// It is of the right kind, but the value will not do; the message follows the key.
    case refused(String)

    /// The complaint about a node that should have been `expected`.
    func message(expected: String, found content: Value.Content) -> String {
        switch self {
        case .wrongKind(let hint): "expected \(expected), found \(content.found)\(hint)"
        case .refused(let message): message
        }
    }
}

extension Kind where T: Comparable {
    /// The same kind, for values within bounds.
    func bounded(_ bounds: ClosedRange<T>?) -> Kind {
        guard let bounds else { return self }
        return Kind(
            name: name,
            read: { content in
                let value = try read(content)
                guard bounds.contains(value) else {
                    throw Mismatch.refused("must be \(inWords(bounds)), found \(spelled(value))")
                }
                return value
            },
            write: { value in
                let limits = inWords(bounds)
                invariant(bounds.contains(value), "the default \(value) is not \(limits)")
                return write(value)
            },
            requirement: inWords(bounds))
    }
}

extension Kind {
    /// A list of this kind; a value on its own is a list of one.
    func list(named name: String) -> Kind<[T]> {
        Kind<[T]>(
            name: name,
            read: { content in
                switch content {
                case .list(let values): try values.enumerated().map { try item($1.content, number: $0 + 1) }
                case .null, .map: throw Mismatch.wrongKind()
                default: [try read(content)]
                }
            },
            // The place of an answer is never shown.
            write: { .list($0.map { Value(content: write($0), place: .commandLine) }) },
            requirement: requirement.isEmpty ? "" : "each \(requirement)")
    }

    private func item(_ content: Value.Content, number: Int) throws -> T {
        do {
            return try read(content)
        } catch let mismatch as Mismatch {
            let message = mismatch.message(expected: self.name, found: content)
            throw Mismatch.refused("item \(number): \(message)")
        }
    }
}

extension Kind<Int> {
    /// Whole numbers, `1e6` and `2.0` among them.
    static var integer: Kind {
        Kind(
            name: "an integer",
            read: { content in
                switch content {
                case .integer(let integer):
                    return integer
                case .number(let number):
                    guard let integer = Int(exactly: number) else { throw Mismatch.wrongKind() }
                    return integer
                default:
                    throw Mismatch.wrongKind(hint: suffixHint(content))
                }
            },
            write: Value.Content.integer)
    }
}

extension Kind<Double> {
    /// Numbers with or without a point.
    static var number: Kind {
        Kind(
            name: "a number",
            read: { content in
                switch content {
                case .integer(let integer): Double(integer)
                case .number(let number): number
                default: throw Mismatch.wrongKind(hint: suffixHint(content))
                }
            },
            write: Value.Content.number)
    }
}

extension Kind<Bool> {
    /// `true` and `false` alone.
    static var boolean: Kind {
        Kind(
            name: "true or false",
            read: { content in
                guard case .boolean(let flag) = content else { throw Mismatch.wrongKind() }
                return flag
            },
            write: Value.Content.boolean)
    }
}

extension Kind<String> {
    /// Text.
    static var string: Kind {
        Kind(
            name: "a string",
            read: { content in
                switch content {
                case .string(let text): text
                case .boolean, .integer, .number: throw Mismatch.wrongKind(hint: "; quotes make it a string")
                default: throw Mismatch.wrongKind()
                }
            },
            write: Value.Content.string)
    }
}

extension Kind where T: RawRepresentable & CaseIterable, T.RawValue == String {
    /// One of the words of an enumeration.
    static var choice: Kind {
        let words = T.allCases.map(\.rawValue)
        return Kind(
            name: "one of \(words.joined(separator: ", "))",
            read: { content in
                guard case .string(let word) = content else { throw Mismatch.wrongKind() }
                guard let choice = T(rawValue: word) else {
                    throw Mismatch.wrongKind(hint: suggestion(for: word, among: words))
                }
                return choice
            },
            write: { .string($0.rawValue) },
            choices: words)
    }
}

/// Number suffixes are not taken, since `1k` may be 1000 or 1024; say what to write.
private func suffixHint(_ content: Value.Content) -> String {
    guard case .string(let text) = content, text.wholeMatch(of: /[-+\d._]+[kKMGT]/) != nil else { return "" }
    return "; write numbers out, as in 100_000 or 1e5"
}

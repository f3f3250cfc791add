import Foundation
import System
import Yams

/// Conversion between YAML text and a tree. Yams parses the syntax; `Value.Content` interprets scalars.
enum YAML {
    /// The tree of one YAML document; an empty document is `null`.
    ///
    /// - Parameters:
    ///   - place: returns the source position of a line.
    ///   - spelling: returns the text of a scalar.
    ///
    /// Throws `ConfigurationError` for bad syntax, repeated keys, tags and numbers that are not finite.
    static func parse(
        _ text: String, place: (_ line: Int?) -> Place, spelling: (Node.Scalar) throws -> String = { $0.string }
    ) throws -> Value {
        do {
            guard let root = try Yams.compose(yaml: text) else {
                return Value(content: .null, place: place(nil))
            }
            var count = 0
            return try value(of: root, &count, place: place, spelling: spelling)
        } catch let error as YamlError {
            throw explain(error, place: place)
        }
    }

    /// Characters with which an alias, an anchor or a comment begins, and characters for private use in their place.
    private static let masks: [(character: String, mask: String)] = [
        ("*", "\u{F0000}"), ("&", "\u{F0001}"), ("#", "\u{F0002}"),
    ]

    /// The value of a command-line argument. It is no document: `*` and `&` at the start of a word belong to the word,
    /// as in the pattern `*.h5`, and lines of three hyphens or points to the value.
    ///
    /// Throws `ConfigurationError` for a comment, and where `parse` does.
    static func parse(argument: String) throws -> Value {
        let masked = masks.reduce(argument) { $0.replacing($1.character, with: $1.mask) }
        // Documents are separated only by lines without indentation.
        let indented = " " + masked.replacing("\n", with: "\n ")
        return try parse(indented, place: { _ in .commandLine }) { scalar in
            let text = masks.reduce(scalar.string) { $0.replacing($1.mask, with: $1.character) }
            guard scalar.style != .plain || text.firstMatch(of: /(^|\s)#/) == nil else {
                throw ConfigurationError(
                    .commandLine, "",
                    "'#' would begin a comment in '\(text)'; if it belongs to the value, put that in quotes that the "
                        + "shell keeps: '\"\(text)\"'")
            }
            return text
        }
    }

    /// The text of a map, one key per line, with lists of scalars in brackets.
    static func text(of entries: [Value.Entry]) -> String {
        entries.isEmpty ? "{}\n" : text(of: node(of: .map(entries)))
    }

    // MARK: - Reading

    /// The maximum number of values: nested aliases can expand a few lines without bound.
    private static let maximumValues = 100_000

    private static func value(
        of node: Node, _ count: inout Int, place: (Int?) -> Place, spelling: (Node.Scalar) throws -> String
    ) throws -> Value {
        let here = place(node.mark?.line)
        count += 1
        guard count <= maximumValues else {
            let message = "there are more than \(maximumValues) values, counting aliases as their contents"
            throw ConfigurationError(here, "", message)
        }
        switch node {
        case .scalar(let scalar):
            return Value(content: try content(of: scalar, spelling(scalar), here), place: here)
        case .sequence(let sequence):
            try refuse(sequence.tag, here)
            let values = try sequence.map { try value(of: $0, &count, place: place, spelling: spelling) }
            return Value(content: .list(values), place: here)
        case .mapping(let mapping):
            try refuse(mapping.tag, here)
            var entries: [Value.Entry] = []
            var keys: Set<String> = []
            var merged: [Value.Entry] = []
            for (keyNode, valueNode) in mapping {
                let keyPlace = place(keyNode.mark?.line)
                guard let key = try keyNode.scalar.map(spelling), !key.isEmpty else {
                    throw ConfigurationError(keyPlace, "", "not valid YAML: a key must be a scalar")
                }
                // Yams distinguishes the keys 1 and "1"; a section does not.
                guard keys.insert(key).inserted else {
                    throw repeated(key, keyPlace)
                }
                let value = try value(of: valueNode, &count, place: place, spelling: spelling)
                if key == "<<", keyNode.scalar?.style == .plain {
                    merged = try mergedEntries(value, keyPlace)
                    continue
                }
                entries.append(Value.Entry(key: key, place: keyPlace, value: value))
            }
            for entry in merged where keys.insert(entry.key).inserted { entries.append(entry) }
            return Value(content: .map(entries), place: here)
        case .alias:
            unreachable("an alias that Yams did not resolve")
        }
    }

    /// The entries of the value of a merge key `<<`: a map, or a list of maps, of which earlier ones have precedence.
    private static func mergedEntries(_ value: Value, _ place: Place) throws -> [Value.Entry] {
        let maps: [Value]
        if case .list(let values) = value.content { maps = values } else { maps = [value] }
        return try maps.flatMap { map in
            guard case .map(let entries) = map.content else {
                let message = "'<<' merges a section or a list of sections, found \(map.content.phrase)"
                throw ConfigurationError(place, "", message)
            }
            return entries
        }
    }

    private static func content(of scalar: Node.Scalar, _ text: String, _ place: Place) throws -> Value.Content {
        guard scalar.style == .plain else { return .string(text) }
        try refuse(scalar.tag, place)
        guard let content = Value.Content(plain: text) else {
            throw ConfigurationError(place, "", "\(text) is not a finite number")
        }
        return content
    }

    private static func refuse(_ tag: Tag, _ place: Place) throws {
        guard tag.description.isEmpty else {
            throw ConfigurationError(place, "", "YAML tags are not supported; remove '\(tag)'")
        }
    }

    private static func repeated(_ key: String, _ place: Place) -> ConfigurationError {
        ConfigurationError(place, "", "the key '\(key)' is given more than once in its section")
    }

    private static func explain(_ error: YamlError, place: (Int?) -> Place) -> ConfigurationError {
        switch error {
        case .scanner(let context, let problem, let mark, _),
            .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let since = context.map { " (\($0.text) that begins on line \($0.mark.line))" } ?? ""
            return ConfigurationError(place(mark.line), "", "not valid YAML: \(problem)\(since)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            return repeated(duplicates[0], place(context.mark.line))
        case .reader(let problem, let offset, _, let text):
            let line = offset.map { 1 + text.prefix($0).count(where: \.isNewline) }
            return ConfigurationError(place(line), "", "not valid YAML: \(problem)")
        default:
            return ConfigurationError(place(nil), "", "not valid YAML: \(error)")
        }
    }

    // MARK: - Writing

    /// The text of a value on one line.
    static func inlineText(of content: Value.Content) -> String {
        text(of: Node([(Node("k"), node(of: content, isInline: true))]))
            .dropFirst(3).trimmingCharacters(in: .newlines)
    }

    private static func text(of node: Node) -> String {
        do {
            return try Yams.serialize(node: node, indent: 2, width: -1, allowUnicode: true)
        } catch {
            unreachable("the YAML emitter refused a configuration: \(error)")
        }
    }

    /// - Parameter isInline: true for lists and maps in brackets and braces, however deep.
    private static func node(of content: Value.Content, isInline: Bool = false) -> Node {
        switch content {
        case .null: return Node("null")
        case .boolean(let flag): return Node(flag ? "true" : "false")
        case .integer(let integer): return Node(String(integer))
        case .number(let number): return Node(spelled(number))
        case .string(let text): return node(of: text)
        case .list(let values):
            let isFlat = values.allSatisfy {
                switch $0.content {
                case .list, .map: false
                default: true
                }
            }
            return Node(
                values.map { node(of: $0.content, isInline: isInline) }, .implicit, isInline || isFlat ? .flow : .block)
        case .map(let entries):
            return Node(
                entries.map { (node(of: $0.key), node(of: $0.value.content, isInline: isInline)) }, .implicit,
                isInline ? .flow : .block)
        }
    }

    /// The shortest text that reads back as the same number. It has a point, because YAML 1.1 readers such as PyYAML
    /// take `1e-05` for a string.
    private static func spelled(_ number: Double) -> String {
        let text = number.description
        guard !text.contains("."), let exponent = text.firstIndex(of: "e") else { return text }
        return text[..<exponent] + ".0" + text[exponent...]
    }

    /// A string, quoted if this reader or one for YAML 1.1 would take it for another type.
    private static func node(of text: String) -> Node {
        let bare = Node(text)
        let isPlain =
            Value.Content(plain: text) == .string(text)
            && bare.tag.description == Tag.Name.str.rawValue && !text.contains(where: \.isNewline)
        return isPlain ? bare : Node(text, .implicit, .doubleQuoted)
    }
}

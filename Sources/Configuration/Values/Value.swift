/// The source position of a value.
package enum Place: Sendable, Equatable, CustomStringConvertible {
    /// A line of a file, counted from 1; nil for the file as a whole.
    case file(String, line: Int?)
    /// The same for the complete configuration in a checkpoint, whose paths have no variables or placeholders.
    case checkpoint(String, line: Int?)
    /// A `key=value` argument.
    case commandLine

    /// `configs/x.yaml:12`, `configs/x.yaml` or `on the command line`.
    package var description: String {
        switch self {
        case .file(let name, let line?), .checkpoint(let name, let line?): "\(name):\(line)"
        case .file(let name, nil), .checkpoint(let name, nil): name
        case .commandLine: "on the command line"
        }
    }

    /// The name of the file, or `the command line`.
    var source: String {
        switch self {
        case .file(let name, _), .checkpoint(let name, _): name
        case .commandLine: "the command line"
        }
    }

    /// True for places in one file, and for two arguments.
    func isOfSameSource(as other: Place) -> Bool { source == other.source }
}

/// A node of a configuration tree, with its source position.
package struct Value: Sendable, Equatable {
    /// The content of a node.
    package enum Content: Sendable, Equatable {
        /// `null`, `~` or nothing after the colon.
        case null
        /// `true` or `false`.
        case boolean(Bool)
        /// A whole number without point or exponent.
        case integer(Int)
        /// A finite number with a point or an exponent.
        case number(Double)
        /// Any other plain scalar, and every quoted one.
        case string(String)
        /// An ordered list of values.
        case list([Value])
        /// Keys with their values, in the order of the file; keys are unique.
        case map([Entry])
    }

    /// A key of a map with its value.
    package struct Entry: Sendable, Equatable {
        /// The key as written.
        package let key: String
        /// The source position of the key.
        package let place: Place
        /// The value of the key.
        package var value: Value

        /// True if key and value are equal, wherever they were written.
        package static func == (left: Entry, right: Entry) -> Bool {
            left.key == right.key && left.value == right.value
        }
    }

    /// The content of the node.
    package var content: Content
    /// The source position of the node.
    package let place: Place

    /// True if the contents are equal, wherever they were written.
    package static func == (left: Value, right: Value) -> Bool {
        left.content == right.content
    }
}

extension Value.Content {
    /// The node as named in an error message: `the string '100k'`.
    var phrase: String {
        switch self {
        case .null: "null"
        case .boolean(let flag): "\(flag)"
        case .integer(let integer): "the integer \(integer)"
        case .number(let number): "the number \(number)"
        case .string(let text): "the string '\(text)'"
        case .list: "a list"
        case .map: "a section"
        }
    }

    // Compiled once: a list may have ten thousand files, and compiling takes longer than matching. Immutable.
    private nonisolated(unsafe) static let notFinite = /[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)/
    private nonisolated(unsafe) static let decimal =
        /[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)([eE][-+]?\d+)?/

    /// The content of a plain scalar by the core schema of YAML 1.2 with underscores between digits: `1e-3` is a number
    /// and `no` a string. nil for a number that is not finite.
    init?(plain text: String) {
        switch text {
        case "", "~", "null", "Null", "NULL":
            self = .null
        case "true", "True", "TRUE":
            self = .boolean(true)
        case "false", "False", "FALSE":
            self = .boolean(false)
        case _ where !"+-.0123456789".contains(text.first!):
            self = .string(text)
        case _ where text.wholeMatch(of: Self.notFinite) != nil:
            return nil
        case _ where text.wholeMatch(of: Self.decimal) != nil:
            let digits = text.filter { $0 != "_" }
            if let integer = Int(digits) {
                self = .integer(integer)
            } else if let number = Double(digits), number.isFinite {
                self = .number(number)
            } else {
                return nil
            }
        default:
            self = .string(text)
        }
    }
}

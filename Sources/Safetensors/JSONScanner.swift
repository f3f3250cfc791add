/// Reads the subset of JSON that a header may have, from left to right.
///
/// A general JSON parser accepts duplicate keys and numbers that do not fit an integer, and builds a tree of any depth,
/// which a hostile file could use to exhaust memory.
struct JSONScanner {
    typealias Problem = SafetensorsHeader.Problem

    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Reads an object; `read` reads the value of each key. Throws `Problem`, also if a key occurs twice.
    mutating func object(_ read: (inout JSONScanner, String) throws -> Void) throws {
        try expect("{")
        var keys: Set<String> = []
        if next() == UInt8(ascii: "}") {
            position += 1
            return
        }
        while true {
            let key = try string()
            guard keys.insert(key).inserted else {
                throw Problem("the header has the key \(SafetensorsError.quoted(key)) twice")
            }
            try expect(":")
            try read(&self, key)
            guard try isFollowedByAnother(closedBy: "}") else { return }
        }
    }

    /// Reads a list of at most `limit` non-negative integers.
    mutating func naturals(atMost limit: Int) throws -> [Int] {
        try expect("[")
        var numbers: [Int] = []
        if next() == UInt8(ascii: "]") {
            position += 1
            return []
        }
        repeat {
            guard numbers.count < limit else { throw malformed("a list of at most \(limit) integers") }
            numbers.append(try natural())
        } while try isFollowedByAnother(closedBy: "]")
        return numbers
    }

    /// Reads a string.
    mutating func string() throws -> String {
        try expect("\"")
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw Problem("the header contains text that is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): text += Array(String(try escaped()).utf8)
            case 0..<0x20: throw malformed("a string without control characters")
            default: text.append(byte)
            }
        }
        throw malformed("the end of a string")
    }

    /// Throws `Problem` if anything but white space is left.
    mutating func end() throws {
        guard next() == nil else { throw malformed("the end of the header") }
    }

    // MARK: - Parts

    private mutating func escaped() throws -> Unicode.Scalar {
        guard position < bytes.count else { throw malformed("the end of a string") }
        defer { position += 1 }
        switch bytes[position] {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try codePoint()
        default: throw malformed("a valid escape sequence")
        }
    }

    /// The code point of `uXXXX` or of a surrogate pair `uXXXX\uXXXX`; ends at its last digit.
    private mutating func codePoint() throws -> Unicode.Scalar {
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xdc00, position + 2 < bytes.count, bytes[position + 1] == UInt8(ascii: "\\"),
            bytes[position + 2] == UInt8(ascii: "u")
        else { throw malformed("a surrogate pair") }
        position += 2
        let second = try hexadecimal()
        guard 0xdc00..<0xe000 ~= second,
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw malformed("a surrogate pair") }
        return scalar
    }

    /// The four digits after the current byte; ends at the last of them.
    private mutating func hexadecimal() throws -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            position += 1
            guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue
            else {
                throw malformed("four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    private mutating func natural() throws -> Int {
        var value: Int?
        _ = next()
        while position < bytes.count, case let digit = bytes[position], 0x30...0x39 ~= digit {
            guard value != 0 else { throw malformed("an integer without leading zeros") }
            let (tenfold, overflows) = (value ?? 0).multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = tenfold.addingReportingOverflow(Int(digit) - 0x30)
            guard !overflows, !overflowsToo else { throw malformed("an integer below 2^63") }
            value = sum
            position += 1
        }
        guard let value else { throw malformed("a non-negative integer") }
        return value
    }

    private mutating func isFollowedByAnother(closedBy end: Unicode.Scalar) throws -> Bool {
        guard let byte = next(), byte == UInt8(ascii: ",") || byte == UInt8(ascii: end) else {
            throw malformed("',' or '\(end)'")
        }
        position += 1
        return byte == UInt8(ascii: ",")
    }

    private mutating func expect(_ scalar: Unicode.Scalar) throws {
        guard next() == UInt8(ascii: scalar) else { throw malformed("'\(scalar)'") }
        position += 1
    }

    /// The next byte that is not white space; nil at the end.
    private mutating func next() -> UInt8? {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            case let byte: return byte
            }
        }
        return nil
    }

    private func malformed(_ expected: String) -> Problem {
        Problem("the header is not valid JSON: \(expected) is missing at byte \(position)")
    }
}

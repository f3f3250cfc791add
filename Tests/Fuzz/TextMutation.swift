import Foundation

/// Damage to structured text: other words and numbers, deep nesting, duplicate lines.
struct TextMutation {
    /// Replacements for words, including words of the file.
    let words: [String]

    init(words: [String]) {
        self.words = words + Self.hostile
    }

    private static let hostile = [
        "0", "-1", "1", "2", "1e3", "-0.0", "1e308", "1e309", "-1e999", "1e-400", "0.1", "1.5", "0x10",
        "0o17", "1_000", "_1",
        "2147483647", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808",
        "99999999999999999999999999", ".inf", "-.inf", ".nan", "NaN", "null", "~", "true", "false", "yes",
        "''", "\"\"",
        "[]", "{}", "[[]]", "[null]", "{a: b}", "[1, 2, 3]", "&a", "*a", "&a [*a]", "!!int", "!x y", "<<",
        "|", ">", "---",
        "...", "%YAML 1.2", "? a", ": b", "- - -", "\"\\x00\"", "\"\\n\"", "\"\\uD800\"", "'", "\"", "#", "@",
        "`", "\t",
        "\r", "\u{0}", "\u{feff}", "\u{2028}", "\u{202e}", "\u{1F680}", "e\u{301}", "1s", "1-00:00:00",
        "99999:59:59", "100k",
    ]

    func apply(to text: inout String, _ random: inout SplitMix) {
        for _ in 0...random.below(4) { change(&text, &random) }
    }

    private func change(_ text: inout String, _ random: inout SplitMix) {
        var lines = text.components(separatedBy: "\n")
        let line = random.below(lines.count)
        switch random.below(12) {
        case 0...4:
            // Replace a word or number.
            var parts = pieces(of: lines[line])
            guard !parts.isEmpty else { return }
            parts[random.below(parts.count)] = random.element(words)
            lines[line] = parts.joined()
        case 5: lines.insert(lines[line], at: random.below(lines.count))
        case 6: lines.remove(at: line)
        case 7: lines.swapAt(line, random.below(lines.count))
        case 8: lines[line] = String(repeating: " ", count: random.below(12)) + lines[line].drop { $0 == " " }
        case 9: lines[line] += random.element(words)
        case 10 where random.oneIn(2): lines[line] += nesting(&random)
        case 10 where random.oneIn(2):
            lines[line] += String(
                repeating: random.element(words), count: random.element([100, 10_000, 100_000]))
        default:
            let characters = Array(lines[line])
            guard !characters.isEmpty else { return }
            let start = random.below(characters.count)
            let end = min(characters.count, start + random.below(8))
            lines[line] = String(
                characters[..<start] + (random.oneIn(2) ? [] : characters[start..<end]) + characters[end...])
        }
        text = lines.joined(separator: "\n")
    }

    /// Deep or wide structures, or both (aliases of aliases).
    private func nesting(_ random: inout SplitMix) -> String {
        let depth = random.element([20, 100, 1000, 20_000, 200_000])
        switch random.below(7) {
        case 0: return String(repeating: "[", count: depth)
        case 1: return String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        case 2: return String(repeating: "{a: ", count: depth)
        case 3: return String(repeating: "{a: ", count: depth) + String(repeating: "}", count: depth)
        case 4: return "\n" + String(repeating: "- ", count: depth) + "a"
        case 5:
            return "\n" + (0..<min(depth, 1000)).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
        default:
            return "\nx0: &x0 [a, a]\n"
                + (1..<min(depth, 40)).map { "x\($0): &x\($0) [*x\($0 - 1), *x\($0 - 1)]\n" }.joined()
        }
    }

    /// Words and the text between them.
    private func pieces(of line: String) -> [String] {
        var pieces: [String] = []
        var isWord: Bool?
        for character in line {
            let belongs = character.isLetter || character.isNumber || "_.-+".contains(character)
            if belongs == isWord {
                pieces[pieces.count - 1].append(character)
            } else {
                pieces.append(String(character))
            }
            isWord = belongs
        }
        return pieces
    }
}

import Configuration
import Foundation
import Testing

@Suite struct ReadingTests {
    /// As of a process substitution of the shell.
    @Test func aPipeIsRead() throws {
        let path = FileManager.default.temporaryDirectory.path + "/kaon-\(UUID().uuidString)"
        #expect(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        let writer = Thread { try? "seed: 7".write(toFile: path, atomically: false, encoding: .utf8) }
        writer.start()
        #expect(try Configuration(contentsOf: path).value(of: "seed") == "7")
    }

    @Test(arguments: [
        ("1e-3", 1e-3), ("1.0e-3", 1e-3), ("1_000_000", 1e6), ("1_0.5_0", 10.5), (".5", 0.5), ("-2", -2),
        ("+3.", 3), ("1E5", 1e5), ("007", 7), ("010", 10), ("-08", -8), ("010.5", 10.5),
    ])
    func numbers(text: String, value: Double) throws {
        #expect(try section("x: \(text)").double("x") == value)
    }

    @Test(arguments: [
        "no", "yes", "on", "off", "100k", "1:30", "2024-01-01", "0x10", "1e", "_1", "nan", "inf", "1-2",
    ])
    func wordsStayWords(text: String) throws {
        #expect(try section("x: \(text)").string("x") == text)
    }

    @Test(arguments: ["'1'", "\"true\"", "'null'", "''"])
    func quotesMakeStrings(text: String) throws {
        #expect(try section("x: \(text)").string("x") == String(text.dropFirst().dropLast()))
    }

    @Test(arguments: [".nan", ".inf", "-.INF", "1e999"])
    func numbersMustBeFinite(text: String) {
        let message = complaint { _ = try section("a: 1\nx: \(text)") }
        #expect(message == "x.yaml:2: \(text) is not a finite number")
    }

    @Test func anchorsMayBeUsed() throws {
        let root = try section("train: &files [a.h5]\ntest: *files")
        #expect(try root.strings("test") == ["a.h5"])
    }

    @Test func aByteOrderMarkIsIgnored() throws {
        #expect(try section("\u{FEFF}x: 1").int("x") == 1)
    }

    /// The section's own keys win, then those of earlier sections in a list.
    @Test(arguments: ["<<: *a\n  y: 4", "y: 4\n  <<: *a", "<<: [*a, *b]\n  y: 4"])
    func anchorsAreMerged(text: String) throws {
        let root = try section("a: &a {x: 1, y: 2}\nb: &b {x: 7}\nc:\n  \(text)")
        let merged = try root.section("c")
        #expect(try merged.int("x") == 1)
        #expect(try merged.int("y") == 4)
        #expect(try section("'<<': 3").int("<<") == 3)
        #expect(
            complaint { _ = try section("a: 1\n<<: 3") }
                == "x.yaml:2: '<<' merges a section or a list of sections, found the integer 3")
    }

    @Test(arguments: [("~/x.h5", "HOME"), ("$HOME/x.h5", "HOME"), ("${HOME}/x.h5", "HOME")])
    func pathsHaveVariables(text: String, variable: String) throws {
        let path = try #require(ProcessInfo.processInfo.environment[variable]) + "/x.h5"
        let root = try section("a: ['\(text)']\nb: '\(text)'\nc: a~b$/x.h5")
        #expect(try root.paths("a") == [path])
        #expect(try root.optionalPath("b") == path)
        #expect(try root.optionalPath("c") == "a~b$/x.h5")
        #expect(try root.template("b", default: "", words: [:], help: "a key") == path)
    }

    @Test func undefinedVariablesAreNamed() throws {
        let root = try section("a: [a.h5, $KAON_NO_SUCH/x.h5]\nb: '${oc.env:DATA}/x.h5'")
        #expect(
            complaint { _ = try root.paths("a") } == "x.yaml:1: a: item 2: the environment variable 'KAON_NO_SUCH' in "
                + "'$KAON_NO_SUCH/x.h5' is not set")
        #expect(
            complaint { _ = try root.optionalPath("b") }
                == "x.yaml:2: b: the environment variable 'oc.env:DATA' in '${oc.env:DATA}/x.h5' is not set")
    }

    /// A message about such a path would have several lines.
    @Test(arguments: ["|\n    x.h5\ny: 1", "\"x\\e[1m.h5\"", "\"x\\t.h5\""])
    func pathsHaveNoControlCharacters(text: String) throws {
        let message = complaint { _ = try section("a: \(text)").optionalPath("a") }
        #expect(message.hasPrefix("x.yaml:1: a: the path \"x"), "\(message)")
        #expect(message.contains("contains a line break or another control character") && !message.contains("\n"))
    }

    /// Forty lines that mean 2^40 values.
    @Test func aliasesOfAliasesHaveAnEnd() {
        let lines = ["x0: &x0 [a, a]"] + (1..<40).map { "x\($0): &x\($0) [*x\($0 - 1), *x\($0 - 1)]" }
        let message = complaint { _ = try section(lines.joined(separator: "\n")) }
        #expect(
            message.hasSuffix("there are more than 100000 values, counting aliases as their contents"),
            "\(message)")
    }

    @Test(arguments: ["[", "{a: ", "- ", "? "])
    func nestingHasAnEnd(opening: String) {
        let message = complaint { _ = try section("x:\n " + String(repeating: opening, count: 200_000)) }
        #expect(message.hasPrefix("x.yaml:") && message.count < 500, "\(message)")
    }

    @Test func complaintsAreShortAndPrintable() throws {
        let long = String(repeating: "é", count: 100_000)
        let text = complaint { try section("a: 1\n\(long.prefix(400)): 2").finish() }
        #expect(text.count < 700 && text.contains("é … é"), "\(text)")
        let number = complaint { _ = try section("a: \(long)").int("a") }
        #expect(number.count < 700)
        #expect(number.hasPrefix("x.yaml:1: a: expected an integer, found the string 'é"))
        let control = complaint { try section("\"a\\n\\x07b\": 2").finish() }
        #expect(control.contains("a\\u{a}\\u{7}b: unknown key"), "\(control)")
        let many = complaint { try section((0..<1000).map { "k\($0): 1" }.joined(separator: "\n")).finish() }
        #expect(many.split(separator: "\n").count == 20 && many.hasSuffix(" (and 980 more unknown keys)"))
    }

    @Test(arguments: ["", "# nothing but a comment\n", "{}"])
    func nothingIsAnEmptySection(text: String) throws {
        let root = try section(text)
        #expect(root.keys.isEmpty)
        try root.finish()
    }

    @Test func duplicateKey() {
        let yaml = "seed: 1\noptimizer:\n  name: adamw\n  name: sgd\n"
        #expect(
            complaint { _ = try section(yaml) }
                == "x.yaml:3: the key 'name' is given more than once in its section")
        #expect(
            complaint { _ = try section("1: a\n'1': b") }
                == "x.yaml:2: the key '1' is given more than once in its section")
    }

    @Test func badSyntaxNamesItsLine() {
        let unclosed = complaint { _ = try section("seed: 1\ndata:\n  train: [a.h5, b.h5\n  test: c.h5\n") }
        #expect(
            unclosed == """
                x.yaml:4: not valid YAML: did not find expected ',' or ']' \
                (while parsing a flow sequence that begins on line 3)
                """)
        let tab = complaint { _ = try section("data:\n\ttrain: a.h5\n") }
        #expect(
            tab == """
                x.yaml:2: not valid YAML: found character that cannot start any token \
                (while scanning for the next token that begins on line 2)
                """)
        let control = complaint { _ = try section("a: 1\nb: \u{1}\n") }
        #expect(control == "x.yaml:2: not valid YAML: control characters are not allowed")
        let documents = complaint { _ = try section("a: 1\n---\nb: 1\n") }
        #expect(documents.hasPrefix("x.yaml:2: not valid YAML: but found another document"))
    }

    @Test func rootMustBeAMapping() {
        let list = complaint { _ = try section("- a\n- b") }
        #expect(list == "x.yaml:1: expected a mapping of keys to values, found a list")
        let word = complaint { _ = try section("word") }
        #expect(word == "x.yaml:1: expected a mapping of keys to values, found the string 'word'")
    }

    @Test func keysAreWordsAndTagsAreRefused() {
        let key = complaint { _ = try section("[a, b]: 1") }
        #expect(key == "x.yaml:1: not valid YAML: a key must be a scalar")
        #expect(
            complaint { _ = try section("a: 1\nb: !secret x") }
                == "x.yaml:2: YAML tags are not supported; remove '!secret'")
    }

    @Test func files() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "kaon-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }

        let good = directory.appending(path: "good.yaml")
        try Data("seed: 3\n".utf8).write(to: good)
        #expect(try Configuration(contentsOf: good.path).section().int("seed") == 3)

        let binary = directory.appending(path: "binary.yaml")
        try Data([0x89, 0x48, 0x44, 0x46, 0xFF]).write(to: binary)
        #expect(
            complaint { _ = try Configuration(contentsOf: binary.path) }
                == "\(binary.path): is not UTF-8 text; is it a YAML file?")
        #expect(
            complaint { _ = try Configuration(contentsOf: directory.path) }
                == "\(directory.path): is a directory, not a YAML file")
        #expect(
            complaint { _ = try Configuration(contentsOf: "configs/nowhere.yaml") }
                == "configs/nowhere.yaml: no such file")
    }
}

import Configuration
import Testing

@Suite struct ResolvedTests {
    private func decode(_ root: Section) throws -> [String] {
        let data = try root.section("data")
        let encoder = try root.section("model").section("encoder")
        let answers: [Any?] = [
            try root.int("seed", default: 0), try root.string("note", default: "true"),
            try data.strings("train"), try data.optionalStrings("classes", absent: "all"),
            try encoder.double("rate", default: 1e-5),
            try encoder.double("scale", default: 1), try encoder.optionalInt("heads"),
            try root.optionalSection("tasks")?.path, try root.section("logging").keys,
            try encoder.int("width", default: 512),
        ]
        try root.finish()
        return answers.map { "\($0 as Any)" }
    }

    @Test func everyDefaultIsWrittenInTheOrderOfAsking() throws {
        var configuration = try Configuration(yaml: "data: {train: a.h5}\nmodel: {encoder: {scale: 3}}")
        try configuration.override("seed=5")
        let root = configuration.section()
        let answers = try decode(root)
        let text = configuration.resolved(from: root).yaml
        #expect(
            text == """
                data:
                  train: [a.h5]
                  classes: all
                model:
                  encoder:
                    rate: 1.0e-05
                    scale: 3.0
                    heads: null
                    width: 512
                seed: 5
                note: "true"
                tasks: null
                logging: {}

                """)
        let again = try Configuration(yaml: text)
        let rootAgain = again.section()
        #expect(try decode(rootAgain) == answers)
        #expect(again.resolved(from: rootAgain).yaml == text)
    }

    @Test func theTreeAsItStands() throws {
        var configuration = try Configuration(yaml: "a: 1\nb: {c: [1, {d: x}], e: }\n")
        try configuration.override("b.f=1e-300")
        try configuration.override("~a")
        #expect(configuration.yaml == "b:\n  c:\n  - 1\n  - d: x\n  e: null\n  f: 1.0e-300\n")
        #expect(try Configuration(yaml: "").yaml == "{}\n")
    }

    @Test(arguments: [
        "plain", "a b", "", "null", "~", "yes", "12", "1e5", "1e-5", "0o7", "12:30", "2024-01-01",
        "# no comment", "a: b", "- a", "{", "line\nbreak", " space ", "tab\t", "'", "\"", "\\", "é", "😀", "@x",
        "*x", "&x", "%x", "=", "<<", String(repeating: "long words ", count: 40), "\u{7f}", "\u{85}",
        "\u{2028}x",
    ])
    func stringsSurvive(text: String) throws {
        let list = try section("").strings("x", default: [text])
        let configuration = try Configuration(yaml: "{}")
        let root = configuration.section()
        _ = try root.strings("x", default: list)
        _ = try root.string("y", default: text)
        let again = try Configuration(yaml: configuration.resolved(from: root).yaml).section()
        #expect(try again.strings("x") == [text])
        #expect(try again.string("y") == text)
    }

    @Test(
        arguments: [
            0.1, 1e-5, 1e22, -2.5e-308, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 3, -0.0, 1 / 3,
        ] as [Double])
    func numbersSurvive(number: Double) throws {
        let configuration = try Configuration(yaml: "{}")
        let root = configuration.section()
        _ = try root.double("x", default: number)
        let text = configuration.resolved(from: root).yaml
        #expect(text.contains("."))
        #expect(try Configuration(yaml: text).section().double("x").bitPattern == number.bitPattern)
    }
}

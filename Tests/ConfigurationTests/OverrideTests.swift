import Configuration
import Testing

@Suite struct OverrideTests {
    private static let yaml = """
        seed: 1
        optimizer:
          learning_rate: 1e-3
          name: adamw
        tasks: {kmeans: {weight: 2}}
        """

    @Test func valuesAreYAML() throws {
        let root = try section(
            Self.yaml, "optimizer.learning_rate=3e-4", "data.train=[a.h5,b.h5]", "tasks.kmeans=null",
            "+tasks.particle_id.weight=0.3", "++run.directory='12'", "run.note=a=b", "seed=1_000", "seed=2")
        #expect(try root.section("optimizer").double("learning_rate") == 3e-4)
        #expect(try root.section("optimizer").string("name") == "adamw")
        #expect(try root.section("data").strings("train") == ["a.h5", "b.h5"])
        #expect(try root.section("tasks").optionalSection("kmeans") == nil)
        #expect(try root.section("tasks").section("particle_id").double("weight") == 0.3)
        #expect(try root.section("run").string("directory") == "12")
        #expect(try root.section("run").string("note") == "a=b")
        #expect(try root.int("seed") == 2)
        try root.finish()
    }

    /// Words that begin an alias, an anchor or a new document in a file; and quoted ones with what begins a comment.
    @Test(arguments: [
        ("*.h5", "*.h5"), ("data/*.h5", "data/*.h5"), ("*[0-9].h5", "*[0-9].h5"), ("&a", "&a"), ("--- a", "--- a"),
        ("a#1", "a#1"), ("'a #1'", "a #1"), (#""a * #1 &""#, "a * #1 &"), ("a * b & c", "a * b & c"),
        ("'#1'", "#1"),
    ])
    func wordsAreLiteral(text: String, value: String) throws {
        #expect(try section(Self.yaml, "run.note=\(text)").section("run").string("note") == value)
        guard !text.contains("-") else { return }
        let list = try section(Self.yaml, "data.train=[b.h5, \(text), c.h5]").section("data")
        #expect(try list.strings("train") == ["b.h5", value, "c.h5"])
        let map = try section(Self.yaml, "run={note: \(text), x: 1}").section("run")
        #expect(try map.string("note") == value)
    }

    @Test(arguments: [
        ("sweep #1", "sweep #1"), ("#1", "#1"), ("[a #1, b]", "a #1"), ("{a: b #1}", "b #1"),
        ("{a: [b, c #1]}", "c #1"),
    ])
    func commentsAreRefused(text: String, word: String) {
        #expect(
            complaint { _ = try section(Self.yaml, "run.name=\(text)") }
                == "on the command line: run.name: '#' would begin a comment in '\(word)'; if it belongs to the value, "
                + "put that in quotes that the shell keeps: '\"\(word)\"'")
    }

    @Test func colonsWithoutASpaceAreNoticed() throws {
        let root = try section(Self.yaml, "tasks.kmeans={weight:2}")
        _ = try root.section("tasks").section("kmeans").double("weight", default: 1)
        root.ignore("seed")
        root.ignore("optimizer")
        #expect(
            complaint { try root.finish() }
                == "on the command line: tasks.kmeans.weight:2: unknown key; write a space after the colon")
    }

    /// What commands print as `key=value` has the same value when it is typed.
    @Test(arguments: ["a,b.h5", "*.h5", "&a", "a #1", "a: b", "[a]", "{a}", "a]b", "a}b", "'", "\"", "", "12", "a\nb"])
    func printedValuesAreRead(text: String) throws {
        let root = try Configuration(yaml: "").section()
        _ = try (root.strings("list", default: [text, "b.h5"]), root.string("word", default: text))
        var configuration = try Configuration(yaml: "").resolved(from: root)
        try configuration.override("nested={a: [{b: 1}]}")
        for setting in configuration.settings { try configuration.override("\(setting.key)=\(setting.value)") }
        let again = configuration.section()
        #expect(try again.strings("list") == [text, "b.h5"])
        #expect(try again.string("word") == text)
        #expect(configuration.value(of: "nested.a") == "[{b: 1}]")
    }

    @Test func aSectionIsReplaced() throws {
        let optimizer = try section(Self.yaml, "optimizer={name: sgd}").section("optimizer")
        #expect(optimizer.keys == ["name"])
    }

    @Test func deletion() throws {
        let root = try section(Self.yaml, "~optimizer.name", "~tasks")
        #expect(root.keys == ["seed", "optimizer"])
        #expect(try root.section("optimizer").keys == ["learning_rate"])
        #expect(
            complaint { _ = try section(Self.yaml, "~tasks.kmean") }
                == "on the command line: tasks.kmean: no such key to delete; did you mean 'kmeans'?")
        #expect(
            complaint { _ = try section(Self.yaml, "~data.train") }
                == "on the command line: data: no such key to delete")
    }

    @Test func unknownPathsAreFoundByDecoding() throws {
        let root = try section(Self.yaml, "optimizer.learning_rat=3e-4", "optimzer.name=sgd")
        _ = try root.int("seed")
        let optimizer = try root.section("optimizer")
        _ = try (optimizer.double("learning_rate"), optimizer.string("name"))
        _ = try root.section("tasks").section("kmeans").double("weight")
        #expect(
            complaint { try root.finish() } == """
                on the command line: optimzer: unknown key; did you mean 'optimizer'?
                on the command line: optimizer.learning_rat: unknown key; did you mean 'learning_rate'?
                """)
    }

    @Test func illTypedValueNamesTheCommandLine() throws {
        let root = try section(Self.yaml, "optimizer.learning_rate=fast")
        #expect(
            complaint { _ = try root.section("optimizer").double("learning_rate") }
                == "on the command line: optimizer.learning_rate: expected a number, found the string 'fast'")
        #expect(
            complaint { _ = try root.section("optimizer").int("steps") }
                == "x.yaml:2: optimizer.steps: missing; expected an integer")
    }

    @Test(arguments: [
        ("steps", "'steps' has no '='; write key=value to set a key, ~key to delete one"),
        ("=3", "'' in '=3' is not a key; write section.key=value"),
        ("a..b=3", "'a..b' in 'a..b=3' is not a key; write section.key=value"),
        ("~a=3", "'a=3' in '~a=3' is not a key; write section.key=value"),
        ("a b=3", "'a b' in 'a b=3' is not a key; write section.key=value"),
        ("seed.x=3", "seed.x: 'seed' is not a section, it is the integer 1"),
        ("~seed.x", "seed.x: 'seed' is not a section, it is the integer 1"),
        (
            "optimizer.name.first.x=3",
            "optimizer.name.first.x: 'optimizer.name' is not a section, it is the string 'adamw'"
        ),
        ("seed=.nan", "seed: .nan is not a finite number"),
        (
            "data.train=[a",
            """
            data.train: not valid YAML: did not find expected ',' or ']' \
            (while parsing a flow sequence that begins on line 1)
            """
        ),
    ])
    func badArguments(argument: String, message: String) {
        #expect(complaint { _ = try section(Self.yaml, argument) } == "on the command line: \(message)")
    }
}

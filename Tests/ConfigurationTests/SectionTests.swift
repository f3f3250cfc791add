import Configuration
import Testing

@Suite struct SectionTests {
    private enum Schedule: String, CaseIterable {
        case constant
        case warmupCosine = "warmup_cosine"
        case warmupExponential = "warmup_exponential"
    }

    private static let yaml = """
        seed: 7
        data:
          train: [a.h5, b.h5]
          test: c.h5
          shuffle: false
        optimizer:
          learning_rate: 1e-3
          betas: [0.9, 1]
          clip: null
        schedule: {name: warmup_cosine}
        threads: auto
        """

    @Test func givenValues() throws {
        let root = try section(Self.yaml)
        #expect(try root.int("seed") == 7)
        let data = try root.section("data")
        #expect(data.path == "data")
        #expect(data.keys == ["train", "test", "shuffle"])
        #expect(try data.strings("train") == ["a.h5", "b.h5"])
        #expect(try data.strings("test") == ["c.h5"])
        #expect(try data.bool("shuffle", default: true) == false)
        let optimizer = try root.section("optimizer")
        #expect(try optimizer.double("learning_rate", in: .positive) == 1e-3)
        #expect(try optimizer.doubles("betas", in: .zeroToOne) == [0.9, 1])
        #expect(try optimizer.optionalDouble("clip") == nil)
        #expect(try root.section("schedule").choice("name", of: Schedule.self) == .warmupCosine)
        #expect(try root.optionalInt("threads", in: .positive, absent: "auto") == nil)
        try root.finish()
    }

    @Test func defaults() throws {
        let root = try section("")
        let model = try root.section("model").section("encoder")
        #expect(try model.int("width", default: 512) == 512)
        #expect(try model.double("dropout", default: 0, in: .belowOne) == 0)
        #expect(try model.string("norm", default: "layer") == "layer")
        #expect(try model.bool("final_norm", default: true))
        #expect(try model.choice("schedule", default: Schedule.constant) == .constant)
        #expect(try model.optionalString("weights") == nil)
        #expect(try model.optionalInt("heads") == nil)
        #expect(try model.optionalStrings("classes", absent: "all") == nil)
        try root.finish()
    }

    @Test func wholeNumbersMayHaveExponents() throws {
        #expect(try section("steps: 1e6").int("steps") == 1_000_000)
        #expect(
            complaint { _ = try section("steps: 1.5").int("steps") }
                == "x.yaml:1: steps: expected an integer, found the number 1.5")
    }

    @Test func optionalSections() throws {
        let root = try section("tasks:\n  kmeans: null\n  regression: {}\nmodel:\n")
        let tasks = try root.section("tasks")
        #expect(try tasks.optionalSection("kmeans") == nil)
        #expect(try tasks.optionalSection("particle_id") == nil)
        #expect(try tasks.optionalSection("regression")?.path == "tasks.regression")
        #expect(try root.section("model").keys.isEmpty)
        #expect(try root.section("tasks") === tasks)
        try root.finish()
    }

    @Test func unknownKeys() throws {
        let root = try section(
            """
            seed: 1
            model:
              encoder:
                widht: 3
                dropuot: 0.1
            learning_rate: 3
            optimizer.name: sgd
            empty: {thing: 1}
            colour: red
            """)
        _ = try root.int("seed")
        let encoder = try root.section("model").section("encoder")
        _ = try encoder.int("width", default: 3)
        _ = try encoder.double("dropout", default: 0)
        _ = try root.section("optimizer").double("learning_rate", default: 1)
        _ = try root.section("empty")
        #expect(!root.has("color"))
        #expect(
            complaint { try root.finish() } == """
                x.yaml:6: learning_rate: unknown key; did you mean 'optimizer.learning_rate'?
                x.yaml:7: optimizer.name: unknown key; dotted keys are allowed on the command line only
                x.yaml:9: colour: unknown key; did you mean 'color'?
                x.yaml:4: model.encoder.widht: unknown key; did you mean 'width'?
                x.yaml:5: model.encoder.dropuot: unknown key; did you mean 'dropout'?
                x.yaml:8: empty.thing: unknown key; this section has no keys
                """)
    }

    @Test func unknownKeyWithoutNeighbour() throws {
        let root = try section("optimizer: {momentum: 0.9}")
        let optimizer = try root.section("optimizer")
        _ = try optimizer.double("learning_rate", default: 1)
        _ = try optimizer.string("name", default: "adamw")
        #expect(
            complaint { try root.finish() }
                == "x.yaml:1: optimizer.momentum: unknown key; known keys: learning_rate, name")
    }

    @Test func aKeyThatWasOnlyLookedAtIsUnknown() throws {
        let root = try section("a: 1\nb: null")
        #expect(root.has("a"))
        #expect(!root.isNull("a"))
        #expect(root.isNull("b"))
        #expect(complaint { try root.finish() } == "x.yaml:1: a: unknown key; known keys: b")
    }

    @Test func missing() throws {
        let root = try section("seed: 1\noptimizer:\n  name: adamw\n")
        #expect(
            complaint { _ = try root.section("optimizer").double("learning_rate") }
                == "x.yaml:2: optimizer.learning_rate: missing; expected a number")
        #expect(
            complaint { _ = try root.section("data").strings("train") }
                == "x.yaml: data.train: missing; expected a list of strings")
        #expect(
            complaint { _ = try root.choice("schedule", of: Schedule.self) }
                == "x.yaml: schedule: missing; expected one of constant, warmup_cosine, warmup_exponential")
    }

    @Test func illTyped() throws {
        let root = try section(
            """
            steps: 100k
            rate: fast
            shuffle: yes
            name: 12
            files: [a.h5, 3]
            sizes: {a: 1}
            model: 3
            threads: many
            seed: null
            schedule: warmup_exp
            """)
        func expect(
            _ text: String, at location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
        ) {
            #expect(complaint(body, at: location) == text, sourceLocation: location)
        }
        expect(
            """
            x.yaml:1: steps: expected an integer, found the string '100k'; \
            write numbers out, as in 100_000 or 1e5
            """
        ) { _ = try root.int("steps") }
        expect("x.yaml:2: rate: expected a number, found the string 'fast'") { _ = try root.double("rate") }
        expect("x.yaml:3: shuffle: expected true or false, found the string 'yes'") {
            _ = try root.bool("shuffle")
        }
        expect("x.yaml:4: name: expected a string, found the integer 12; quotes make it a string") {
            _ = try root.string("name")
        }
        expect("x.yaml:5: files: item 2: expected a string, found the integer 3; quotes make it a string") {
            _ = try root.strings("files")
        }
        expect("x.yaml:6: sizes: expected a list of integers, found a section") { _ = try root.optionalInts("sizes") }
        expect("x.yaml:7: model: expected a section, found the integer 3") { _ = try root.section("model") }
        expect("x.yaml:8: threads: expected an integer or 'auto', found the string 'many'") {
            _ = try root.optionalInt("threads", absent: "auto")
        }
        expect("x.yaml:9: seed: expected an integer, found null") { _ = try root.int("seed", default: 0) }
        expect(
            """
            x.yaml:10: schedule: expected one of constant, warmup_cosine, warmup_exponential, \
            found the string 'warmup_exp'
            """
        ) { _ = try root.choice("schedule", of: Schedule.self) }
        let near = try section("schedule: warmup_cosin", "+schedule=warmup-cosine")
        expect(
            """
            on the command line: schedule: expected one of constant, warmup_cosine, warmup_exponential, \
            found the string 'warmup-cosine'; did you mean 'warmup_cosine'?
            """
        ) { _ = try near.choice("schedule", of: Schedule.self) }
    }

    @Test(arguments: [
        (ClosedRange<Double>.positive, "0", "must be greater than 0, found 0"),
        (.nonNegative, "-1e-3", "must be at least 0, found -0.001"),
        (.zeroToOne, "1.5", "must be from 0 to 1, found 1.5"),
        (.belowOne, "1", "must be at least 0 and less than 1, found 1"),
        (-.infinity...2.5, "3", "must be at most 2.5, found 3"),
    ])
    func outOfBounds(bounds: ClosedRange<Double>, text: String, message: String) {
        let found = complaint { _ = try section("\nx: \(text)").double("x", in: bounds) }
        #expect(found == "x.yaml:2: x: \(message)")
    }

    @Test func integersOutOfBounds() throws {
        let root = try section("a: 0\nb: [1, -1]\nc: 9")
        let integer = complaint { _ = try root.int("a", in: .positive) }
        #expect(integer == "x.yaml:1: a: must be at least 1, found 0")
        #expect(
            complaint { _ = try root.optionalInts("b", in: .nonNegative) }
                == "x.yaml:2: b: item 2: must be at least 0, found -1")
        let optional = complaint { _ = try root.optionalInt("c", in: 1...8) }
        #expect(optional == "x.yaml:3: c: must be from 1 to 8, found 9")
    }

    @Test func callersOwnComplaint() throws {
        let encoder = try section("model:\n  width: 100\n").section("model")
        #expect(
            encoder.error("width", "is not divisible by 8 heads").description
                == "x.yaml:2: model.width: is not divisible by 8 heads")
    }
}

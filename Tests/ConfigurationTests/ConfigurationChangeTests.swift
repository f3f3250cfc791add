import Configuration
import Testing

@Suite struct ConfigurationChangeTests {
    private let old = "a: 1\nb: {c: [1, x], d: {e: 'true'}, f: {}}\n"

    @Test func settingsHaveDottedKeys() throws {
        let settings = try Configuration(yaml: old).settings.map { "\($0.key): \($0.value)" }
        #expect(settings == ["a: 1", "b.c: [1, x]", "b.d.e: \"true\"", "b.f: {}"])
    }

    @Test func changesAreThoseOfValues() throws {
        let new = try Configuration(
            yaml: "# other layout\nb:\n  d:\n    e: false\n  c: [1,\n      x]\n  f: {}\n  g: ~\n")
        let changes = try Configuration(yaml: old).changes(to: new)
        #expect(changes.map(\.description) == ["b.d.e: \"true\" → false", "a: 1 → null"])
        #expect(changes.filter { $0.isIn(["b.d"]) }.map(\.key) == ["b.d.e"])
        #expect(changes.filter { $0.isIn(["b.d.e", "ab"]) }.map(\.key) == ["b.d.e"])
    }
}

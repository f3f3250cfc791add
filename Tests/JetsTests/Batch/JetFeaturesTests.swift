import Configuration
import Jets
import TestSupport
import Testing

@Suite struct JetFeaturesTests {
    @Test func selectsByName() throws {
        #expect(try JetFeatures(["all"]) == .all)
        #expect(JetFeatures.all.names == ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr"])
        let some = try JetFeatures(["dphi", "pt"])
        #expect(some.indices == [2, 0] && some.names == ["dphi", "pt"] && some.count == 2)
    }

    @Test func refusesWhatItDoesNotKnow() {
        #expect(
            failure { _ = try JetFeatures(["pt", "eta"]) }.hasPrefix(
                "unknown feature 'eta'; the features are pt, "))
        #expect(failure { _ = try JetFeatures(["pt", "pt"]) } == "feature 'pt' is named twice")
        #expect(failure { _ = try JetFeatures([]) } == "no feature is named; give a list, or 'all'")
    }

    @Test func readsTheConfiguration() throws {
        func features(_ yaml: String) throws -> JetFeatures {
            try JetFeatures(from: try Configuration(yaml: yaml, name: "x.yaml").section().section("data"))
        }
        #expect(try features("data: {}") == .all)
        #expect(try features("data: {features: all}") == .all)
        #expect(try features("data: {features: [pt, deta, dphi]}").indices == [0, 1, 2])
        let message = failure { _ = try features("data:\n  features: [pt, eta]") }
        #expect(
            message.contains("x.yaml:2") && message.contains("data.features") && message.contains("'eta'"))
    }
}

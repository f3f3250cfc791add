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
        #expect(some.ownNames.isEmpty && some.storedCount == 7)
    }

    /// Further features are stored after the seven.
    @Test func furtherFeatures() throws {
        let features = try JetFeatures(["log_e", "pt", "charge"])
        #expect(features.indices == [7, 0, 8] && features.names == ["log_e", "pt", "charge"])
        #expect(features.storedCount == 9 && features.storedNames.suffix(2) == ["log_e", "charge"])
        #expect(JetShape(features, maxConstituents: 9).impactParameters.isEmpty)
        #expect(try JetFeatures(["charge", "pt"]) != JetFeatures(["log_e", "pt"]))
    }

    @Test func refusesBadNames() {
        #expect(failure { _ = try JetFeatures(["pt", ""]) }.hasPrefix("a feature is named ''"))
        #expect(failure { _ = try JetFeatures(["pt", "all"]) }.hasPrefix("a feature is named 'all'"))
        #expect(failure { _ = try JetFeatures(["log_e", "log_e"]) } == "feature 'log_e' is named twice")
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
        #expect(try features("data: {features: [pt, log_e]}").names == ["pt", "log_e"])
        let message = failure { _ = try features("data:\n  features: [pt, eta, eta]") }
        #expect(
            message.contains("x.yaml:2") && message.contains("data.features") && message.contains("'eta'"))
    }
}

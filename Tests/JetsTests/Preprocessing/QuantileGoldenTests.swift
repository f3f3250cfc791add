import Golden
import Jets
import Testing

@Suite struct QuantileGoldenTests {
    @Test func quantileTransform() throws {
        let golden = try GoldenFile("quantile_transform")
        let names = golden.metadata["features"]?.split(separator: ",").map(String.init) ?? ["all"]
        let preprocessing = try QuantilePreprocessing(
            features: try JetFeatures(names), quantiles: try golden.floats("in.quantiles").map(Double.init))
        let width = preprocessing.features.count
        let expected = try golden.floats("out.y")
        let largest = expected.map(abs).max()!
        for (index, x) in try golden.floats("in.x").enumerated() {
            let y = preprocessing.transform(x, column: index % width)
            #expect(
                abs(y - expected[index]) <= 2e-4 * largest,
                "row \(index / width), column \(index % width): \(x)")
        }
    }
}

import Jets
import Tensors
import TestSupport
import Testing

@Suite struct FeatureBinsTests {
    /// The numbers 0 … 999 in a random order, and their squares.
    private var values: Tensor {
        let order = Permutation(count: 1000, key: 7)
        return Tensor(
            (0..<1000).flatMap { [Float(order[$0]), Float(order[$0] * order[$0])] }, shape: [1000, 2])
    }

    @Test func quantileBinsHoldAsMany() throws {
        let bins = try FeatureBins.fit(values, bins: 8, spacing: .quantile, on: alone)
        #expect(bins.count == 8 && bins.borders.map(\.count) == [7, 7])
        for feature in 0..<2 {
            let indices = bins.indices(of: values, feature: feature)
            #expect((0..<8).allSatisfy { bin in indices.count { $0 == bin } == 125 })
        }
    }

    @Test func uniformBinsHaveOneWidth() throws {
        let bins = try FeatureBins.fit(values, bins: 4, spacing: .uniform, on: alone)
        // From 0.999 to 998.001, by quarters.
        for (border, expected) in zip(bins.borders[0], [250.2495, 499.5, 748.7505] as [Float]) {
            #expect(abs(border - expected) < 1e-3)
        }
        let widths = zip(bins.borders[1].dropFirst(), bins.borders[1]).map { $0 - $1 }
        #expect(abs(widths[0] - widths[1]) < 1)
    }

    @Test func bordersBelongToTheBinAbove() throws {
        let bins = try FeatureBins(borders: [[-1, 0, 0, 2]])
        let values = Tensor([-5, -1, -0.5, 0, 1, 2, 3], shape: [7, 1])
        #expect(bins.indices(of: values, feature: 0) == [0, 1, 1, 3, 3, 4, 4])
    }

    @Test func theTableIsAllThereIs() throws {
        let bins = try FeatureBins.fit(values, bins: 5, spacing: .quantile, on: alone)
        #expect(bins.table.shape == [2, 4])
        #expect(try FeatureBins(table: bins.table) == bins)
    }

    @Test func badBordersAndNoValues() {
        #expect(failure { _ = try FeatureBins(borders: [[0, 1], [2, 1]]) }.contains("feature 1"))
        let message = failure {
            _ = try FeatureBins.fit(Tensor(shape: [0, 2]), bins: 5, spacing: .quantile, on: alone)
        }
        #expect(message.contains("no constituents"))
    }
}

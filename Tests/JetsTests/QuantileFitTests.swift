import Jets
import MPI
import Testing

@Suite struct QuantileFitTests {
    /// All values of a feature, of charged constituents only for impact parameters.
    private func values(_ feature: Int, of dataset: JetDataset) throws -> [Double] {
        var values: [Double] = []
        for number in 0..<dataset.blockCount {
            let block = try dataset.read(block: number)
            for token in block.identities.indices
            where feature < 3 || ![0, 2].contains(block.identities[token]) {
                values.append(Double(block.values[token * 7 + feature]))
            }
        }
        return values.sorted()
    }

    @Test func quantilesAreThoseOfAllValues() throws {
        let dataset = try JetDataset(paths: [sample("val")], on: alone)
        let fit = try QuantilePreprocessing.fit(dataset, quantiles: 101, on: alone)
        #expect(fit.quantileCount == 101 && fit.features == .all)
        for feature in 0..<7 {
            let values = try values(feature, of: dataset)
            for row in 0...100 {
                let position = Double(row) / 100 * Double(values.count - 1)
                let (low, high) = (Int(position), min(Int(position) + 1, values.count - 1))
                let expected = values[low] + (values[high] - values[low]) * (position - Double(low))
                #expect(abs(fit.quantiles[row * 7 + feature] - expected) <= 1e-9 * abs(expected))
            }
        }
    }

    @Test func aSelectionIsFittedAlike() throws {
        let dataset = try JetDataset(paths: [sample("val")], on: alone)
        let all = try QuantilePreprocessing.fit(dataset, quantiles: 11, on: alone)
        let two = try QuantilePreprocessing.fit(
            dataset, features: try JetFeatures(["dz", "deta"]), quantiles: 11, on: alone)
        for row in 0..<11 {
            #expect(two.quantiles[row * 2] == all.quantiles[row * 7 + 5])
            #expect(two.quantiles[row * 2 + 1] == all.quantiles[row * 7 + 1])
        }
    }

    @Test func thinnedQuantilesAreNear() throws {
        let dataset = try JetDataset(paths: [sample("train")], on: alone)
        let all = try QuantilePreprocessing.fit(dataset, quantiles: 5, on: alone)
        let few = try QuantilePreprocessing.fit(dataset, quantiles: 5, valuesPerFeature: 20_000, on: alone)
        #expect(all != few)
        // Quartiles of at least 10 000 values, 5 000 of them charged: the probability is right to 4 σ = 3 %.
        for feature in 0..<7 {
            let values = try values(feature, of: dataset)
            for row in 1..<4 {
                let below = values.count { $0 < few.quantiles[row * 7 + feature] }
                let notAbove = values.count { $0 <= few.quantiles[row * 7 + feature] }
                let (low, high) = (Double(below) / Double(values.count), Double(notAbove) / Double(values.count))
                #expect(low - 0.03 < Double(row) / 4 && Double(row) / 4 < high + 0.03, "feature \(feature), row \(row)")
            }
        }
    }

    @Test func fewJetsAreReadInWholeBlocks() throws {
        let dataset = try JetDataset(paths: [sample("train")], on: alone)
        let one = try QuantilePreprocessing.fit(dataset, jets: 1, quantiles: 5, on: alone)
        #expect(try QuantilePreprocessing.fit(dataset, jets: 100, quantiles: 5, on: alone) == one)
        #expect(try QuantilePreprocessing.fit(dataset, jets: 2000, quantiles: 5, on: alone) != one)
        #expect(try QuantilePreprocessing.fit(dataset, jets: 100, quantiles: 5, seed: 4, on: alone) != one)
    }

    @Test func aFeatureWithoutValuesIsAnError() throws {
        var fixture = JetFixture(jets: 20)
        fixture.identities = fixture.identities.map { _ in 2 }
        try withScratchFile { path in
            try fixture.write(to: path)
            let dataset = try JetDataset(paths: [path], on: alone)
            let message = failure { _ = try QuantilePreprocessing.fit(dataset, on: alone) }
            #expect(message.hasPrefix("\(path): feature 'd0' has no value to fit its quantiles to, for no constituent"))
            _ = try QuantilePreprocessing.fit(dataset, features: try JetFeatures(["pt"]), on: alone)
        }
    }
}

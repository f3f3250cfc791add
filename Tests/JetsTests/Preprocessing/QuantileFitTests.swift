import Jets
import TestSupport
import Testing

@Suite struct QuantileFitTests {
    /// All values of each feature, rising; of charged constituents only for impact parameters.
    private func values(of dataset: JetDataset) throws -> [[Double]] {
        var values = [[Double]](repeating: [], count: 7)
        for number in 0..<dataset.blockCount {
            let block = try dataset.read(block: number)
            for (token, identity) in block.identities.enumerated() {
                for feature in 0..<(identity == 0 || identity == 2 ? 3 : 7) {
                    values[feature].append(Double(block.values[token * 7 + feature]))
                }
            }
        }
        return values.map { $0.sorted() }
    }

    @Test func quantilesAreThoseOfAllValues() throws {
        let dataset = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, on: alone)
        let fit = try QuantilePreprocessing.fit(dataset, quantiles: 101, on: alone)
        #expect(fit.quantileCount == 101 && fit.features == .all)
        let quantiles = fit.quantiles
        for (feature, values) in try values(of: dataset).enumerated() {
            for row in 0...100 {
                let position = Double(row) / 100 * Double(values.count - 1)
                let (low, high) = (Int(position), min(Int(position) + 1, values.count - 1))
                let expected = values[low] + (values[high] - values[low]) * (position - Double(low))
                #expect(abs(quantiles[row * 7 + feature] - expected) <= 1e-9 * abs(expected))
            }
        }
    }

    @Test func aSelectionIsFittedAlike() throws {
        let dataset = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, on: alone)
        let all = try QuantilePreprocessing.fit(dataset, quantiles: 11, on: alone)
        let two = try QuantilePreprocessing.fit(
            dataset, features: try JetFeatures(["dz", "deta"]), quantiles: 11, on: alone)
        for row in 0..<11 {
            #expect(two.quantiles[row * 2] == all.quantiles[row * 7 + 5])
            #expect(two.quantiles[row * 2 + 1] == all.quantiles[row * 7 + 1])
        }
    }

    @Test func thinnedQuantilesAreNear() throws {
        let dataset = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, on: alone)
        let all = try QuantilePreprocessing.fit(dataset, quantiles: 5, on: alone)
        let few = try QuantilePreprocessing.fit(dataset, quantiles: 5, valuesPerFeature: 20_000, on: alone)
        #expect(all != few)
        // Quartiles of at least 10 000 values, some 4 500 of them charged: 4 σ of the probability are 3 %.
        let quantiles = few.quantiles
        for (feature, values) in try values(of: dataset).enumerated() {
            for row in 1..<4 {
                let quantile = quantiles[row * 7 + feature]
                let below = Double(values.count { $0 < quantile }) / Double(values.count)
                let notAbove = Double(values.count { $0 <= quantile }) / Double(values.count)
                #expect(below - 0.03 < Double(row) / 4 && Double(row) / 4 < notAbove + 0.03)
            }
        }
    }

    @Test func fewJetsAreReadInWholeBlocks() throws {
        try withScratchFile { path in
            try JetFixture(jets: 3000).write(to: path)
            let dataset = try JetDataset(paths: [path], reading: .withEmptyJets, on: alone)
            func fit(jets: Int, seed: UInt64 = 0) throws -> QuantilePreprocessing {
                try QuantilePreprocessing.fit(dataset, jets: jets, quantiles: 5, seed: seed, on: alone)
            }
            let one = try fit(jets: 1)
            #expect(dataset.blockCount == 3)
            #expect(try fit(jets: 1000) == one)
            #expect(try fit(jets: 1001) != one)
            #expect(try fit(jets: 3000) == fit(jets: 1_000_000, seed: 1))
            #expect(Set(try (0..<10).map { try fit(jets: 1, seed: $0).quantiles }).count > 1)
        }
    }

    @Test func aFeatureWithoutValuesIsAnError() throws {
        var fixture = JetFixture(jets: 20)
        fixture.identities = fixture.identities.map { _ in 2 }
        try withScratchFile { path in
            try fixture.write(to: path)
            let dataset = try JetDataset(paths: [path], reading: .withEmptyJets, on: alone)
            let message = failure { _ = try QuantilePreprocessing.fit(dataset, on: alone) }
            #expect(
                message.hasPrefix(
                    "\(path): feature 'd0' cannot be fitted, because no constituent"))
            _ = try QuantilePreprocessing.fit(dataset, features: try JetFeatures(["pt"]), on: alone)
        }
    }
}

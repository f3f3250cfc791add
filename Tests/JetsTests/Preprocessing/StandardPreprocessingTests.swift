import Foundation
import HDF5
import Jets
import TestSupport
import Testing

@Suite struct StandardPreprocessingTests {
    private func some(_ features: JetFeatures = .all) throws -> StandardPreprocessing {
        try StandardPreprocessing(
            features: features, means: features.indices.map { 0.5 * Double($0) - 1 },
            deviations: features.indices.map { 0.25 * Double($0 + 1) })
    }

    private func apply(
        _ preprocessing: any Preprocessing, _ stored: [Float], identities: [UInt8], jet: Int = 3
    ) -> [Float] {
        var result = [Float](repeating: .nan, count: identities.count * preprocessing.features.count)
        preprocessing.apply(
            to: stored, identities: identities, count: identities.count, jet: jet, epoch: 0, seed: 1,
            into: &result)
        return result
    }

    @Test func squashesAndScales() throws {
        let stored: [Float] = [19, -0.3, 0.2, -0.5, 0.04, 3, 0.01]
        let values = apply(try some(), stored, identities: [1])
        let squashed = [log(20), -0.3, 0.2, -log(51), log(5), log(301), log(2)]
        for feature in 0..<7 {
            let expected = (squashed[feature] - 0.5 * Double(feature) + 1) / (0.25 * Double(feature + 1))
            #expect(abs(Double(values[feature]) - expected) < 1e-5)
        }
    }

    /// The impact parameters of constituents without a track are 0 in any jet.
    @Test func neutralConstituentsHaveNoImpactParameters() throws {
        let stored = (0..<21).map { Float($0 % 7 + 1) }
        let values = apply(try some(), stored, identities: [0, 2, 5])
        #expect(values[3..<7] == [0, 0, 0, 0] && values[10..<14] == [0, 0, 0, 0])
        #expect(values[0..<3] == values[14..<17] && values[7..<10] == values[14..<17])
        #expect(values[17..<21].allSatisfy { $0 != 0 })
        #expect(apply(try some(), stored, identities: [0, 2, 5], jet: 4) == values)
    }

    @Test func inverts() throws {
        let stored: [Float] = [420, 0.31, -0.7, -1.5, 0.012, 22, 0.3, 0.5, -0.01, 0, 0, 1e-4, -0.001, 5]
        let preprocessing = try some()
        let again = preprocessing.inverse(apply(preprocessing, stored, identities: [1, 7]))
        for (a, b) in zip(again, stored) { #expect(abs(a - b) <= 1e-5 * abs(b) + 1e-8) }
    }

    @Test func aSelectionGivesTheSameColumns() throws {
        let stored = (0..<7).map { Float($0 + 1) }
        let all = apply(try some(), stored, identities: [1])
        #expect(apply(try some(try JetFeatures(["dz", "pt"])), stored, identities: [1]) == [all[5], all[0]])
    }

    @Test func isStoredToTheBit() throws {
        let preprocessing = try StandardPreprocessing(
            features: try JetFeatures(["deta", "d0"]), means: [0.1, -1 / 3], deviations: [.pi, 1e-300])
        try withScratchFile { path in
            let file = try File(creating: path)
            try preprocessing.save(to: try file.root.createGroup("state/preprocessing"))
            try file.close()
            let stored = try File(opening: path).root.group("state/preprocessing")
            #expect(try StandardPreprocessing(from: stored) == preprocessing)
            #expect(try PreprocessingOptions.load(from: stored) as? StandardPreprocessing == preprocessing)
        }
    }

    @Test func refusesADeviationOfZero() {
        let message = failure {
            _ = try StandardPreprocessing(
                features: try JetFeatures(["pt", "d0"]), means: [1, 2], deviations: [1, 0])
        }
        #expect(message.contains("feature 'd0'") && message.contains("leave it out"))
    }

    /// A fitted feature has mean 0 and variance 1 over the jets that it was fitted to.
    @Test func fitsMeanAndVariance() throws {
        let dataset = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, on: alone)
        let preprocessing = try StandardPreprocessing.fit(dataset, on: alone)
        let zeros = [Double](repeating: 0, count: 7)
        var (count, sums, squares) = (zeros, zeros, zeros)
        for number in 0..<dataset.blockCount {
            let block = try dataset.read(block: number)
            let values = apply(preprocessing, block.values, identities: block.identities)
            for (token, identity) in block.identities.enumerated() {
                for feature in 0..<(identity == 0 || identity == 2 ? 3 : 7) {
                    let value = Double(values[token * 7 + feature])
                    count[feature] += 1
                    sums[feature] += value
                    squares[feature] += value * value
                }
            }
        }
        for feature in 0..<7 {
            #expect(abs(sums[feature] / count[feature]) < 1e-5)
            #expect(abs(squares[feature] / count[feature] - 1) < 1e-4)
        }
    }

    @Test func aFeatureOfOneValueIsAnError() throws {
        var fixture = JetFixture(jets: 20)
        for row in fixture.mask.indices where fixture.mask[row] != 0 { fixture.features[row * 7 + 1] = 0.1 }
        try withScratchFile { path in
            try fixture.write(to: path)
            let dataset = try JetDataset(paths: [path], reading: .withEmptyJets, on: alone)
            let message = failure {
                _ = try StandardPreprocessing.fit(dataset, features: try JetFeatures(["deta"]), on: alone)
            }
            #expect(message.contains("feature 'deta'") && message.contains("leave it out"))
        }
    }
}

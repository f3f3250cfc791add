import Foundation
import HDF5
import Jets
import TestSupport
import Testing

@Suite struct QuantilePreprocessingTests {
    /// Quantiles of seven features between 0 and 10 · (feature + 1), evenly spaced.
    static func even(_ features: JetFeatures = .all, count: Int = 11) throws -> QuantilePreprocessing {
        try QuantilePreprocessing(
            features: features,
            quantiles: (0..<count).flatMap { row in
                features.indices.map { Double(10 * ($0 + 1) * row) / Double(count - 1) }
            })
    }

    @Test func theNormalQuantileInvertsTheNormalProbability() {
        #expect(abs(normalQuantile(0.975) - 1.959963984540054) < 1e-14)
        #expect(abs(normalQuantile(1e-10) + 6.361340902404056) < 1e-12)
        #expect(normalQuantile(0.5) == 0 && normalQuantile(0) == -.infinity && normalQuantile(1) == .infinity)
        for x in stride(from: -7.0, through: 5.0, by: 0.1) {
            let again: Double = normalQuantile(normalProbability(x))
            #expect(abs(again - x) < 1e-9)
        }
    }

    @Test func mapsQuantilesToNormalOnes() throws {
        let preprocessing = try Self.even()
        #expect(preprocessing.transform(5, column: 0) == 0)
        #expect(isNear(preprocessing.transform(2.5, column: 0), normalQuantile(0.25)))
        #expect(isNear(preprocessing.transform(60, column: 6), normalQuantile(60.0 / 70)))
        for beyond: Float in [10, 11, .greatestFiniteMagnitude] {
            #expect(preprocessing.transform(beyond, column: 0) == 5.199_337_6)
            #expect(preprocessing.transform(-beyond, column: 0) == -5.199_337_6)
        }
    }

    /// Equal values are mapped to the middle of their step, as in scikit-learn.
    @Test func equalQuantilesGiveTheMiddle() throws {
        let pt = try JetFeatures(["pt"])
        let preprocessing = try QuantilePreprocessing(features: pt, quantiles: [0, 1, 1, 1, 1, 2, 3, 4, 5])
        #expect(isNear(preprocessing.transform(1, column: 0), normalQuantile(2.5 / 8)))
        #expect(isNear(preprocessing.transform(2, column: 0), normalQuantile(5.0 / 8)))
        #expect(isNear(preprocessing.transform(1.5, column: 0), normalQuantile(4.5 / 8)))
    }

    @Test func inverts() throws {
        let preprocessing = try Self.even()
        let stored: [Float] = (0..<70).map { index in Float(index % 7 + 1) * (Float(index / 7) + 0.5) }
        let inputs: [Float] = stored.enumerated().map { preprocessing.transform($1, column: $0 % 7) }
        let again = preprocessing.inverse(inputs)
        for index in stored.indices { #expect(abs(again[index] - stored[index]) < 1e-4 * stored[index]) }
        #expect(preprocessing.inverse([-9, -9, -9, 9, 9, 9, 9]) == [0, 0, 0, 40, 50, 60, 70])
    }

    private func isNear(_ a: Float, _ b: Double) -> Bool { abs(Double(a) - b) < 1e-6 }

    private func apply(
        _ preprocessing: any Preprocessing, identities: [UInt8], jet: Int = 3, epoch: Int = 0,
        seed: UInt64 = 1
    ) -> [Float] {
        let stored = (0..<7 * identities.count).map { Float($0 % 7 + 1) * 2.5 }
        var result = [Float](repeating: .nan, count: identities.count * preprocessing.features.count)
        preprocessing.apply(
            to: stored, identities: identities, count: identities.count, jet: jet, epoch: epoch, seed: seed,
            into: &result)
        return result
    }

    @Test func neutralConstituentsGetNoiseForImpactParameters() throws {
        let preprocessing = try Self.even()
        let identities: [UInt8] = [0, 1, 2, 3, 4, 5, 6, 7]
        let values = apply(preprocessing, identities: identities)
        let quarter = preprocessing.transform(2.5, column: 0)
        for (token, identity) in identities.enumerated() {
            for feature in 0..<7 {
                let isNoise = feature >= 3 && (identity == 0 || identity == 2)
                #expect((values[token * 7 + feature] == quarter) == !isNoise)
            }
        }
        #expect(values == apply(preprocessing, identities: identities))
        for other in [
            apply(preprocessing, identities: identities, jet: 4),
            apply(preprocessing, identities: identities, epoch: 1),
            apply(preprocessing, identities: identities, seed: 2),
        ] {
            #expect(Set(other[3..<7]).isDisjoint(with: values[3..<7]))
            #expect(Array(other[7..<14]) == Array(values[7..<14]))
        }
        #expect(Set(values[3..<7] + values[17..<21]).count == 8)
    }

    @Test func noiseIsStandardNormal() throws {
        let preprocessing = try Self.even()
        let values = apply(preprocessing, identities: [UInt8](repeating: 2, count: 5000))
        for feature in 3..<7 {
            let column: [Double] = (0..<5000).map { Double(values[$0 * 7 + feature]) }
            let mean: Double = column.reduce(0, +) / 5000
            let variance: Double = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 5000
            #expect(abs(mean) < 0.06 && abs(variance - 1) < 0.09)
        }
    }

    @Test func aSelectionGivesTheSameColumns() throws {
        let identities: [UInt8] = [0, 1, 2, 3]
        let all = apply(try Self.even(), identities: identities)
        let selected = apply(try Self.even(try JetFeatures(["dz", "pt"])), identities: identities)
        for token in 0..<4 {
            #expect(selected[token * 2] == all[token * 7 + 5] && selected[token * 2 + 1] == all[token * 7])
        }
        let raw = apply(RawPreprocessing(features: try JetFeatures(["dz", "pt"])), identities: identities)
        #expect(raw == [15, 2.5, 15, 2.5, 15, 2.5, 15, 2.5])
    }

    @Test func isStoredToTheBit() throws {
        let features = try JetFeatures(["deta", "d0"])
        let preprocessing = try QuantilePreprocessing(
            features: features, quantiles: [0.1, -1 / 3, 0.2, 1e-300, 7, .pi])
        try withScratchFile { path in
            let file = try File(creating: path)
            try preprocessing.save(to: try file.root.createGroup("state/preprocessing"))
            try file.close()
            let stored = try File(opening: path)
            #expect(
                try QuantilePreprocessing(from: try stored.root.group("state/preprocessing")) == preprocessing
            )
        }
    }

    @Test func refusesFallingQuantiles() throws {
        let message = failure {
            _ = try QuantilePreprocessing(features: try JetFeatures(["pt", "d0"]), quantiles: [0, 1, 1, 0])
        }
        #expect(message.contains("feature 'd0'") && message.contains("fit the preprocessing again"))
    }
}

import Foundation
import HDF5
import Jets
import Tensors
import TestSupport
import Testing

/// Warnings about features that cannot be what their names say.
@Suite struct FeatureSummaryTests {
    /// The warnings about the sample file with changed features and identities of used slots.
    private func warnings(
        _ features: JetFeatures = .all, _ change: (inout [Float], inout [UInt8]) -> Void
    ) throws -> [String] {
        let block = try openJetFile(sample("val"), reading: JetReading()).read(rows: 0..<1000)
        var (values, identities) = (block.values, block.identities)
        change(&values, &identities)
        var summary = FeatureSummary()
        summary.add(
            JetBlock(offsets: block.offsets, values: values, identities: identities, labels: block.labels))
        return summary.warnings(features)
    }

    private func warnings(of feature: Int, _ change: (Float) -> Float) throws -> [String] {
        try warnings { values, _ in
            for index in stride(from: feature, to: values.count, by: 7) { values[index] = change(values[index]) }
        }
    }

    @Test func realisticJetsAreNotQuestioned() throws {
        #expect(try warnings { _, _ in }.isEmpty)
    }

    @Test func scalesOfMomenta() throws {
        #expect(
            try warnings(of: 0) { $0 * 1000 }
                == ["feature 'pt' exceeds 200 GeV for 100 % of the constituents: is it in MeV?"])
        for scale in [{ $0 / 1000 }, { max(0.01, log($0)) }, { $0 / 500 }] as [(Float) -> Float] {
            let found = try warnings(of: 0, scale)
            #expect(found.count == 1)
            #expect(found.first?.contains("GeV: is it in TeV, a logarithm or a fraction?") == true)
        }
    }

    @Test func anglesBeyondJets() throws {
        // In the detector's frame, in degrees, and not wrapped in a part of the jets.
        #expect(try warnings(of: 1) { $0 + 2 }.first?.hasPrefix("feature 'deta' exceeds 1.6, more than a jet") == true)
        #expect(try warnings(of: 2) { $0 * 57.3 }.first?.contains("'dphi' exceeds 1.6") == true)
        #expect(try warnings(of: 2) { $0 > 0.3 ? $0 - 6.2832 : $0 }.count == 1)
    }

    @Test func impactParameters() throws {
        #expect(
            try warnings(of: 4) { _ in 0 } == ["feature 'd0err' is 0.0 for all charged constituents: is it filled?"])
        #expect(try warnings(of: 6) { $0 < 0.06 ? 0 : $0 }.first?.contains("'dzerr', an error, is zero for") == true)
        #expect(try warnings(of: 6) { $0 < 0.05 ? -1 : $0 }.first?.contains("'dzerr', an error, is negative") == true)
        #expect(try warnings(of: 3) { abs($0) < 0.01 ? -999 : $0 }.first?.contains("'d0' exceeds 900 mm") == true)
        #expect(try warnings(of: 5) { _ in 1 }.first?.contains("'dz' is 1.0 for all charged") == true)
        // A feature that is not used may be anything.
        #expect(
            try warnings(JetFeatures(["pt", "deta"])) { values, _ in
                for index in stride(from: 3, to: values.count, by: 7) { values[index] = 0 }
            }.isEmpty)
    }

    /// One value among thousands of constituents is enough.
    @Test(arguments: [(0, Float(3e38)), (1, -1e9), (2, 1e5), (3, -1e38), (3, 1e38), (5, 1e6), (6, 1e20)])
    func singleImpossibleValues(feature: Int, value: Float) throws {
        let found = try warnings { values, identities in
            values[identities.firstIndex(of: 3)! * 7 + feature] = value
        }
        #expect(found.count == 1, "\(found)")
        let name = JetFeatures.all.storedNames[feature]
        let question = "is this a placeholder for missing values, or is the file damaged?"
        #expect(found.first == "feature '\(name)' reaches \(value): \(question)")
    }

    /// Also in files with too few constituents for the other warnings, and in features without a limit.
    @Test func impossibleValuesOfFewConstituents() throws {
        let features = try JetFeatures(["pt", "deta", "dphi", "energy"])
        let width = features.storedCount
        for (value, isImpossible) in [(Float(1e30), true), (1e6, false)] {
            var values = [Float](repeating: 0.5, count: 3 * width)
            values[2 * width - 1] = value
            var summary = FeatureSummary(features)
            summary.add(
                JetBlock(
                    offsets: Offsets(counts: [3]), values: values, identities: [0, 0, 0], labels: [0],
                    features: features))
            #expect(summary.warnings(features).contains { $0.contains("'energy' reaches 1e+30") } == isImpossible)
        }
    }

    @Test func identities() throws {
        let found = try warnings { _, identities in identities = identities.map { _ in 3 } }
        #expect(
            found.last
                == "all constituents have the identity 3 (positive hadron): fill /csts_id, or train "
                + "without it (model.identity=false)")
    }

    @Test func fitsReportThem() throws {
        try withScratchFile { path in
            var fixture = JetFixture(jets: 500, minimum: 3)
            fixture.identities = fixture.identities.map { _ in 3 }
            for index in stride(from: 0, to: fixture.features.count, by: 7 * 6) {
                fixture.features.swapAt(index, index + 7)
            }
            try fixture.write(to: path)
            let dataset = try JetDataset(paths: [path], on: alone)
            for name in PreprocessingOptions.Name.allCases {
                var options = PreprocessingOptions()
                options.name = name
                var found: [String] = []
                _ = try options.fit(dataset, features: .all, seed: 1, on: alone) { found.append($0) }
                #expect(
                    found.first?.hasSuffix(
                        "500 jets are not stored by decreasing pT; they are sorted when they are read") == true)
                #expect(found.contains { $0.contains("identity 3") })
                #expect(try dataset.warnings(.all, seed: 1) == found)
            }
        }
    }
}

import Jets
import TestSupport
import Testing

@Suite struct JetStatisticsTests {
    @Test func describesTheSampleFile() throws {
        let statistics = try JetStatistics([sample("val")])
        #expect(statistics.jets == 1000 && statistics.sampledJets == 1000)
        #expect(statistics.classes.map(\.jets) == [Int](repeating: 100, count: 10))
        #expect(statistics.classes[0].name == "QCD")

        let file = try openJetFile(sample("val"), reading: JetReading(maxConstituents: 128))
        let block = try file.read(rows: 0..<1000)
        let counts = (0..<1000).map { Double(block.offsets[$0].count) }
        #expect(abs(statistics.multiplicity.mean - counts.reduce(0, +) / 1000) < 1e-9)
        #expect(statistics.multiplicity.count == 1000)

        let pt = (0..<block.identities.count).map { block.values[7 * $0] }.sorted()
        let found = statistics.features[0]
        #expect(found.name == "pt" && found.count == pt.count && found.zeros == 0)
        #expect(found.quantiles.count == 5)
        let median = (Double(pt[(pt.count - 1) / 2]) + Double(pt[pt.count / 2])) / 2
        #expect(abs(found.quantiles[2] - median) < 1e-5)
        let mean = pt.reduce(0) { $0 + Double($1) } / Double(pt.count)
        #expect(abs(found.mean - mean) < 1e-9)
        let variance = pt.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(pt.count)
        #expect(abs(found.deviation - variance.squareRoot()) < 1e-9)
        // Impact parameters are those of charged constituents.
        let charged = block.identities.count { !Identities.particles.isNeutral($0) }
        #expect(statistics.features[3].count == charged)
        #expect(abs(statistics.identities.reduce(0) { $0 + $1.fraction } - 1) < 1e-9)
        #expect(
            abs(
                statistics.identities[0].fraction
                    - Double(block.identities.count { $0 == 0 }) / Double(block.identities.count)) < 1e-12)
    }

    @Test func largeSetsAreSampled() throws {
        try withScratchFile { path in
            var fixture = JetFixture(jets: 5000)
            fixture.chunk = 1000
            try fixture.write(to: path)
            let statistics = try JetStatistics([path], sample: 1500)
            #expect(statistics.sampledBlocks == 2 && statistics.sampledJets == 2000 && statistics.blocks == 5)
            #expect(statistics.jets == 5000 && statistics.classes.map(\.jets) == [1667, 1667, 1666])
        }
    }
}

import HDF5
import Jets
import TestSupport
import Testing

/// Constituents that are not stored by decreasing pT.
@Suite struct ConstituentOrderTests {
    /// The pT of each jet, with different numbers of constituents, and the other features as in the fixture.
    private func fixture(_ momenta: [[Float]]) -> JetFixture {
        var fixture = JetFixture(jets: momenta.count, minimum: 6)
        for (jet, momenta) in momenta.enumerated() {
            for slot in 0..<6 {
                fixture.mask[jet * 6 + slot] = slot < momenta.count ? 1 : 0
                fixture.features[(jet * 6 + slot) * 7] = slot < momenta.count ? momenta[slot] : .nan
                fixture.identities[jet * 6 + slot] = Int32(slot)
            }
        }
        return fixture
    }

    private func read(_ fixture: JetFixture, maxConstituents: Int, isPacked: Bool) throws -> JetBlock {
        try withScratchFile { path in
            if isPacked { try fixture.writePacked(to: path) } else { try fixture.write(to: path) }
            return try openJetFile(path, reading: JetReading(maxConstituents: maxConstituents))
                .read(rows: 0..<fixture.jets)
        }
    }

    private let jets: [[Float]] = [[5, 4, 3], [1, 2, 4, 8], [9], [7, 7, 8, 7], [6, 5, 4, 3, 2, 1]]

    @Test(arguments: [false, true]) func jetsAreSorted(isPacked: Bool) throws {
        let block = try read(fixture(jets), maxConstituents: 128, isPacked: isPacked)
        #expect(block.unsortedJets == 2)
        #expect(block.offsets.values == [0, 3, 7, 8, 12, 18])
        #expect(
            (0..<18).map { block.values[$0 * 7] } == [5, 4, 3, 8, 4, 2, 1, 9, 8, 7, 7, 7, 6, 5, 4, 3, 2, 1])
        // The identity is the number of the slot; constituents of equal pT keep their order.
        #expect(block.identities == [0, 1, 2, 3, 2, 1, 0, 0, 2, 0, 1, 3, 0, 1, 2, 3, 4, 5])
    }

    @Test(arguments: [false, true]) func theHardestAreKept(isPacked: Bool) throws {
        let block = try read(fixture(jets), maxConstituents: 2, isPacked: isPacked)
        #expect(block.offsets.values == [0, 2, 4, 5, 7, 9])
        #expect((0..<9).map { block.values[$0 * 7] } == [5, 4, 8, 4, 9, 8, 7, 6, 5])
        #expect(block.identities == [0, 1, 3, 2, 0, 2, 0, 0, 1])
    }

    @Test(arguments: [false, true]) func roundingIsNoDisorder(isPacked: Bool) throws {
        let block = try read(fixture([[5, 5.0002, 3]]), maxConstituents: 128, isPacked: isPacked)
        #expect(block.unsortedJets == 0 && block.identities == [0, 1, 2])
    }

    @Test func packingSortsAllDatasets() throws {
        try withScratchFolder { folder in
            let (source, packed) = (folder + "/a.h5", folder + "/b.h5")
            try fixture(jets).write(to: source)
            let file = try File(opening: source, .readWrite)
            try file.root.write((0..<30).map { $0 }, shape: [5, 6], as: "vtx_id")
            try file.close()
            for (maximum, expected) in [
                (128, [0, 1, 2, 9, 8, 7, 6, 12, 20, 18, 19, 21, 24, 25, 26, 27, 28, 29]),
                (2, [0, 1, 9, 8, 12, 20, 18, 24, 25]),
            ] {
                var options = JetPacker.Options()
                options.maxConstituents = maximum
                let output = try File(creating: packed)
                _ = try JetPacker([source], options: options).write(to: output.root)
                #expect(try output.root.read("vtx_id", as: Int.self) == expected)
                try output.close()
            }
        }
    }

    // MARK: Values

    @Test(arguments: [0, -5, -0.0] as [Float]) func momentaMustBePositive(pt: Float) throws {
        for isPacked in [false, true] {
            let message = failure {
                _ = try read(fixture([[4], [3, pt, 2, 1]]), maxConstituents: 128, isPacked: isPacked)
            }
            #expect(message.contains("/csts, row 1, constituent 1: pT is \(pt), but must be positive [GeV]: write"))
        }
    }

    @Test func masksMustNotBeNegative() throws {
        let path = oddFile("mask_minus1")
        #expect(
            failure { _ = try openJetFile(path, reading: JetReading()).read(rows: 0..<20) }
                == "\(path): /mask, row 0, slot 0 is negative: write the file again with 1 for "
                + "used slots and 0 for others"
        )
    }

    @Test func halfPrecisionIsRead() throws {
        let half = try openJetFile(oddFile("half"), reading: JetReading()).read(rows: 0..<20)
        let whole = try openJetFile(oddFile("whole"), reading: JetReading()).read(rows: 0..<20)
        #expect(half.offsets == whole.offsets && half.values == whole.values.map { Float(Float16($0)) })
    }
}

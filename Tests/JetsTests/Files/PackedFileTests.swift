import HDF5
import Jets
import TestSupport
import Testing

@Suite struct PackedFileTests {
    /// Writes the jets in both formats and opens the files.
    private func withBoth<R>(
        _ fixture: JetFixture, maxConstituents: Int = 128, _ body: (any JetFile, any JetFile) throws -> R
    ) throws -> R {
        try withScratchFolder { folder in
            try fixture.write(to: folder + "/padded.h5")
            try fixture.writePacked(to: folder + "/packed.h5")
            return try body(
                openJetFile(folder + "/padded.h5", reading: JetReading(maxConstituents: maxConstituents)),
                openJetFile(folder + "/packed.h5", reading: JetReading(maxConstituents: maxConstituents)))
        }
    }

    @Test(arguments: [1, 3, 6, 128])
    func bothLayoutsGiveTheSameBlocks(maxConstituents: Int) throws {
        var fixture = JetFixture(jets: 45)
        // A hole in the mask does not count towards the maximum.
        fixture.mask[6 * 6 + 1] = 0
        try withBoth(fixture, maxConstituents: maxConstituents) { padded, packed in
            #expect(padded is PaddedFile && packed is PackedFile)
            #expect(padded.count == 45 && packed.count == 45 && packed.classNames == padded.classNames)
            for rows in [0..<45, 0..<0, 7..<8, 6..<7, 13..<39, 44..<45] {
                let (a, b) = (try padded.read(rows: rows), try packed.read(rows: rows))
                #expect(a.offsets == b.offsets && a.values == b.values)
                #expect(a.identities == b.identities && a.labels == b.labels)
                #expect(try packed.labels(rows: rows) == a.labels)
            }
        }
    }

    @Test func bothLayoutsGiveTheSameBatches() throws {
        try withScratchFolder { folder in
            let fixture = JetFixture(jets: 300)
            try fixture.write(to: folder + "/padded.h5")
            try fixture.writePacked(to: folder + "/packed.h5")
            let loaders = try ["padded", "packed"].map { name in
                JetLoader(
                    dataset: try JetDataset(
                        paths: ["\(folder)/\(name).h5"], reading: JetReading(maxConstituents: 4, allowsEmptyJets: true),
                        on: alone),
                    preprocessing: try QuantilePreprocessingTests.even(), order: .init(batchSize: 70, seed: 2))
            }
            for step in 0..<loaders[0].stepsPerEpoch {
                let batches = try loaders.map { try $0.batch(epoch: 1, step: step) }
                #expect(batches[0].jets == batches[1].jets && batches[0].labels == batches[1].labels)
                #expect(batches[0].values.array == batches[1].values.array)
                #expect(batches[0].identities == batches[1].identities)
                #expect(batches[0].offsets.values == batches[1].offsets.values)
            }
        }
    }

    // MARK: Faults

    private func fault(
        offsets: [Int]? = nil, _ change: (inout JetFixture) -> Void = { _ in },
        _ work: (String) throws -> Void = {
            _ = try openJetFile($0, reading: JetReading(maxConstituents: 6)).read(rows: 10..<30)
        }
    ) throws -> String {
        var fixture = JetFixture(jets: 30)
        change(&fixture)
        return try withScratchFile("train.h5") { path in
            try fixture.writePacked(to: path, offsets: offsets)
            return failure { try work(path) }.replacing(path, with: "train.h5")
        }
    }

    private var offsets: [Int] { (0..<30).reduce(into: [0]) { $0.append($0[$1] + $1 % 7) } }

    @Test func offsetsThatDoNotFit() throws {
        #expect(try fault(offsets: offsets) == "")
        var shifted = offsets
        shifted[0] = 1
        #expect(
            try fault(offsets: shifted)
                == "/offsets in train.h5 goes from 1 to 85, not from 0 to 85, the number of constituents in "
                + "/csts: pack the file again")
        shifted = offsets
        shifted[30] = 90
        #expect(try fault(offsets: shifted).hasPrefix("/offsets in train.h5 goes from 0 to 90, not from 0"))
        var falling = offsets
        falling[20] = falling[19] - 1
        #expect(
            try fault(offsets: falling)
                == "train.h5: /offsets, row 20 is \(falling[20]), but offsets rise from 0 to 85, and the one "
                + "before is \(falling[19]): pack the file again")
        falling[20] = 1 << 40
        #expect(try fault(offsets: falling).hasPrefix("train.h5: /offsets, row 20 is 1099511627776, but"))
    }

    @Test(arguments: ["csts", "csts_id", "labels"])
    func missingDatasets(name: String) throws {
        let message = try fault { $0.missing = [name] }
        #expect(message.hasPrefix("dataset /\(name) is missing in train.h5; a packed file of jets has"))
    }

    @Test func valuesThatCannotBeUsed() throws {
        #expect(
            try fault { $0.features[(26 * 6 + 2) * 7 + 3] = .nan }
                == "train.h5: /csts, row 26, constituent 2: feature 'd0' is nan; write the file again without it"
        )
        #expect(
            try fault { $0.identities[13 * 6 + 5] = 8 }
                == "train.h5: /csts_id, row 13, constituent 5 is 8; identities are 0 (photon) to 7 (antimuon): "
                + "write the file again with those, or name all of them in data.identities")
        #expect(
            try fault { $0.labels[29] = 3 }.hasPrefix("train.h5: /labels, row 29 is 3, but the file names"))
        // Constituents beyond the maximum are not checked.
        let cut = try fault({ $0.features[(26 * 6 + 2) * 7] = .nan }) {
            _ = try openJetFile($0, reading: JetReading(maxConstituents: 2)).read(rows: 10..<30)
        }
        #expect(cut == "")
    }

    private func replacing(_ name: String, shape: [Int], type: ElementType) throws -> String {
        try fault({ $0.missing = [name] }) { path in
            let file = try File(opening: path, .readWrite)
            _ = try file.root.createDataset(name, of: type, shape: shape)
            try file.close()
            _ = try openJetFile(path, reading: JetReading(maxConstituents: 6))
        }
    }

    @Test func shapesAndTypesThatDoNotFit() throws {
        #expect(
            try replacing("csts", shape: [85, 6], type: .float32).hasPrefix(
                "/csts in train.h5 has the shape [85, 6], not constituents × the 7 features pt,"))
        #expect(try replacing("csts_id", shape: [84], type: .uint8).contains("[84], not [85] as in /csts"))
        #expect(try replacing("labels", shape: [31], type: .uint8).contains("[31], not [30] as in /offsets"))
        #expect(try replacing("jets", shape: [31, 5], type: .float32).contains("not 30 rows as in /offsets"))
        #expect(try replacing("csts_id", shape: [85], type: .float32).contains("float32, not of integers"))
        #expect(
            try replacing("csts", shape: [85, 7], type: .int32).contains("not of floating-point numbers"))
        #expect(try replacing("csts", shape: [85, 7], type: .float64) == "")
    }
}

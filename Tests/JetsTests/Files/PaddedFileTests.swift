import HDF5
import Jets
import TestSupport
import Testing

@Suite struct PaddedFileTests {
    @Test func packsTheSampleFile() throws {
        let file = try openJetFile(sample("val"), reading: JetReading(maxConstituents: 128))
        #expect(file.count == 1000 && file.classNames.count == 10 && file.classNames[0] == "QCD")
        #expect(file.blockRows % 120 == 0)
        let rows = 117..<263
        let block = try file.read(rows: rows)
        #expect(block.count == rows.count)

        let raw = try File(opening: sample("val"))
        let mask = try raw.root.read("mask", as: UInt8.self)
        let features = try raw.root.read("csts", as: Float.self)
        let identities = try raw.root.read("csts_id", as: Int.self)
        let labels = try raw.root.read("labels", as: Int32.self)
        let slots = (rows.lowerBound * 128..<rows.upperBound * 128).filter { mask[$0] != 0 }
        #expect(block.values == slots.flatMap { features[$0 * 7..<$0 * 7 + 7] })
        #expect(block.identities == slots.map { UInt8(identities[$0]) })
        #expect(block.labels == Array(labels[rows]))
        for (jet, row) in rows.enumerated() {
            let used = mask[row * 128..<(row + 1) * 128].count { $0 != 0 }
            #expect(block.offsets[jet].count == used)
        }
    }

    @Test func takesTheFirstConstituents() throws {
        let fixture = JetFixture(jets: 20)
        try withScratchFile { path in
            try fixture.write(to: path)
            let block = try openJetFile(path, reading: JetReading(maxConstituents: 4)).read(rows: 0..<20)
            // Jet j has j mod 7 constituents, jet 0 none; their pT counts down from 100 j + 99.
            for jet in 0..<20 {
                let tokens = block.offsets[jet]
                let first = tokens.map { Int(block.values[$0 * 7]) }
                #expect(first == (0..<min(jet % 7, 4)).map { jet * 100 + 99 - $0 })
            }
            let whole = try openJetFile(path, reading: JetReading(maxConstituents: 4000))
            #expect(try whole.read(rows: 6..<7).offsets.values == [0, 6])
            #expect(whole.count == 20)
        }
    }

    @Test func aMaskMayHaveHoles() throws {
        var fixture = JetFixture(jets: 7)
        fixture.mask[6 * 6 + 1] = 0
        fixture.mask[6 * 6 + 4] = 0
        try withScratchFile { path in
            try fixture.write(to: path)
            let block = try openJetFile(path, reading: JetReading(maxConstituents: 6)).read(rows: 5..<7)
            #expect(block.offsets.values == [0, 5, 9])
            #expect((5..<9).map { block.values[$0 * 7] } == [699, 697, 696, 694])
        }
    }

    @Test func namesAreOptional() throws {
        var fixture = JetFixture(jets: 7)
        fixture.classNames = nil
        fixture.featureNames = JetFeatures.allNames
        try withScratchFile { path in
            try fixture.write(to: path)
            let file = try openJetFile(path, reading: JetReading(maxConstituents: 6))
            #expect(file.classNames.isEmpty)
            #expect(try file.read(rows: 0..<7).labels == [0, 1, 2, 0, 1, 2, 0])
        }
    }

    @Test func blocksFollowTheChunks() {
        let chunks = [1, 7, 240, 999, 1000, 1001, 4096, 5000, 9998, 100_000]
        #expect(
            chunks.map { JetFileRules.blockRows(chunk: $0) }
                == [1000, 994, 960, 999, 1000, 1001, 4096, 2500, 4096, 4000])
    }

    // MARK: Faults

    private func opening(_ change: (inout JetFixture) -> Void) throws -> String {
        try faults(change) { _ = try openJetFile($0, reading: JetReading(maxConstituents: 6)) }
    }

    private func reading(_ change: (inout JetFixture) -> Void) throws -> String {
        try faults(change) { _ = try openJetFile($0, reading: JetReading(maxConstituents: 6)).read(rows: 10..<30) }
    }

    /// The error about a changed file, with the path shortened to its name.
    private func faults(_ change: (inout JetFixture) -> Void, _ work: (String) throws -> Void) throws
        -> String
    {
        var fixture = JetFixture(jets: 30)
        change(&fixture)
        return try withScratchFile("train.h5") { path in
            try fixture.write(to: path)
            return failure { try work(path) }.replacing(path, with: "train.h5")
        }
    }

    @Test(arguments: ["csts", "csts_id", "mask", "labels"])
    func missingDatasets(name: String) throws {
        let message = try opening { $0.missing = [name] }
        #expect(message.hasPrefix("dataset /\(name) is missing in train.h5"))
    }

    @Test func missingFile() {
        let message = failure { _ = try openJetFile("/nowhere/train.h5", reading: JetReading(maxConstituents: 6)) }
        #expect(message.contains("/nowhere/train.h5") && message.contains("no such file"))
    }

    /// The error after a dataset is replaced by one of the given shape and type.
    private func replacing(_ name: String, shape: [Int], type: ElementType) throws -> String {
        var fixture = JetFixture(jets: 30)
        fixture.missing = [name]
        return try withScratchFile("train.h5") { path in
            try fixture.write(to: path)
            let file = try File(opening: path, .readWrite)
            _ = try file.root.createDataset(name, of: type, shape: shape)
            try file.close()
            return failure { _ = try openJetFile(path, reading: JetReading(maxConstituents: 6)) }
                .replacing(path, with: "train.h5")
        }
    }

    @Test func shapesThatDoNotFit() throws {
        #expect(
            try replacing("csts", shape: [30, 6, 5], type: .float32).hasPrefix(
                "/csts in train.h5 has the shape [30, 6, 5], not jets × constituents × the 7 features pt,"
            ))
        #expect(
            try replacing("mask", shape: [29, 6], type: .boolean)
                == "/mask in train.h5 has the shape [29, 6], not [30, 6] as in /csts: write the file again")
        #expect(
            try replacing("csts_id", shape: [30, 7], type: .int32).hasPrefix(
                "/csts_id in train.h5 has the shape"))
        #expect(
            try replacing("labels", shape: [31], type: .int64).hasPrefix(
                "/labels in train.h5 has the shape [31]"))
        #expect(try replacing("jets", shape: [31, 5], type: .float32).contains("not 30 rows as in /csts"))
        #expect(try replacing("jets", shape: [30, 5], type: .float32) == "")
    }

    @Test func typesThatDoNotFit() throws {
        #expect(
            try replacing("labels", shape: [30], type: .float32)
                == "/labels in train.h5 is of type float32, not of integers: write the file again")
        #expect(
            try replacing("csts", shape: [30, 6, 7], type: .int32).contains("not of floating-point numbers"))
        #expect(try replacing("mask", shape: [30, 6], type: .float32).contains("not of booleans"))
        #expect(try replacing("csts_id", shape: [30, 6], type: .float64).contains("not of integers"))
        #expect(try replacing("csts_id", shape: [30, 6], type: .int64) == "")
    }

    @Test func noJets() throws {
        #expect(
            try replacing("csts", shape: [0, 6, 7], type: .float32) == "train.h5 holds no jets; leave it out")
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func valuesThatAreNotFinite(value: Float) throws {
        let message = try reading { $0.features[(26 * 6 + 2) * 7 + 3] = value }
        #expect(
            message.hasPrefix(
                "train.h5: /csts, row 26, constituent 2: feature 'd0' is \(value); write the file"))
    }

    @Test(arguments: [-1, 8, 256, Int32.max])
    func identitiesOutsideTheList(identity: Int32) throws {
        let message = try reading { $0.identities[13 * 6 + 5] = identity }
        #expect(
            message.hasPrefix("train.h5: /csts_id, row 13, constituent 5 is \(identity); identities are 0"))
    }

    @Test(arguments: [-1, 3, 1 << 40])
    func labelsOutsideTheClasses(label: Int) throws {
        let message = try reading { $0.labels[29] = label }
        #expect(
            message.hasPrefix(
                "train.h5: /labels, row 29 is \(label), but the file names 3 classes (QCD, top, W): correct"))
    }

    @Test func labelsWithoutNamesMustNotBeNegative() throws {
        let message = try reading {
            $0.classNames = nil
            $0.labels[10] = -2
        }
        #expect(message.contains("row 10 is -2, but classes are numbered from 0"))
    }
}

import Foundation
import HDF5
import Jets
import TestSupport
import Testing

/// Data that are not there are refused, with the file, the rows and their number.
@Suite struct MissingDataTests {
    private let sentences = [
        "virtual_no_source": "/csts lacks 10 of 20 rows (10..<20): the source gone.h5 cannot be used",
        "virtual_gap": "/csts lacks 3 of 20 rows (17..<20): no source is mapped to them",
        "unwritten": "/csts lacks 5 of 20 rows (10..<15): 6 of 8 chunks were written",
        "unwritten_contiguous": "/csts lacks 20 of 20 rows (0..<20): they were never written",
    ]

    @Test func atTheStart() {
        for (name, sentence) in sentences {
            let path = oddFile(name)
            for work in [
                { _ = try JetDataset(paths: [path], on: alone) },
                { _ = try JetStatistics([path]) },
                { _ = try JetPacker([path]) },
            ] as [() throws -> Void] {
                #expect(failure(work).hasPrefix("\(path): \(sentence)"), "\(name)")
            }
        }
    }

    @Test func packedFilesAndFurtherDatasets() throws {
        try withScratchFolder { folder in
            let path = folder + "/a.h5"
            var fixture = JetFixture(jets: 30, minimum: 1)
            fixture.missing = ["csts_id"]
            try fixture.writePacked(to: path)
            func create(_ name: String, rows: Int, written: Int) throws {
                let file = try File(opening: path, .readWrite)
                let dataset = try file.root.createDataset(name, of: .int32, shape: [rows], chunks: [10])
                try [Int32](repeating: 1, count: written).withUnsafeBufferPointer {
                    try dataset.write(rows: 0..<written, from: $0)
                }
                try file.close()
            }
            try create("csts_id", rows: 105, written: 40)
            #expect(
                failure { _ = try JetDataset(paths: [path], on: alone) }
                    == "\(path): /csts_id lacks 65 of 105 rows (40..<105): 4 of 11 chunks were written; restore what "
                    + "is missing, or write the file again")
            // Datasets that are not read may have gaps, but not in a copy.
            try JetFixture(jets: 30, minimum: 1).writePacked(to: path)
            try create("weight", rows: 30, written: 20)
            #expect(try JetDataset(paths: [path], on: alone).count == 30)
            #expect(failure { _ = try JetPacker([path]) }.contains("/weight lacks 10 of 30 rows (20..<30)"))
        }
    }

    // MARK: Jets without constituents

    private let sentence =
        "3 of 20 jets have no constituents (rows 0, 7, 14): write the file again without them, or "

    @Test(arguments: [false, true]) func emptyJetsAreRefused(isPacked: Bool) throws {
        try withScratchFile { path in
            let fixture = JetFixture(jets: 20)
            if isPacked { try fixture.writePacked(to: path) } else { try fixture.write(to: path) }
            let dataset = try JetDataset(paths: [path], on: alone)
            #expect(
                failure { _ = try dataset.read(block: 0) }
                    == "\(path): \(sentence)set data.allow_empty_jets to accept them")
            let accepting = try JetDataset(paths: [path], reading: .withEmptyJets, on: alone)
            #expect(try accepting.read(block: 0).count == 20)

            let output = try File(creating: path + ".packed")
            #expect(
                failure { _ = try JetPacker([path]).write(to: output.root) }
                    == "\(path): \(sentence)give --allow-empty-jets to accept them")
        }
    }

    @Test func jetsThatAreNotUsedMayBeEmpty() throws {
        try withScratchFile { path in
            // Only the jets of class QCD, 0, 3, 6 …, are empty.
            var fixture = JetFixture(jets: 30, minimum: 1)
            for slot in fixture.mask.indices where slot / 6 % 3 == 0 { fixture.mask[slot] = 0 }
            try fixture.write(to: path)
            let others = try JetDataset(paths: [path], choice: JetChoice(classes: ["top", "W"]), on: alone)
            #expect(try others.read(block: 0).count == 20)
            let all = try JetDataset(paths: [path], choice: JetChoice(classes: ["QCD", "W"]), on: alone)
            #expect(failure { _ = try all.read(block: 0) }.contains("10 of 30 jets have no constituents"))
        }
    }

    @Test func noConstituentsAtAll() throws {
        try withScratchFile { path in
            var fixture = JetFixture(jets: 10)
            fixture.mask = fixture.mask.map { _ in 0 }
            try fixture.write(to: path)
            let dataset = try JetDataset(paths: [path], reading: .withEmptyJets, on: alone)
            #expect(
                failure { _ = try StandardPreprocessing.fit(dataset, on: alone) }
                    == "\(path): the preprocessing cannot be fitted, because no jet has constituents")
        }
    }

    @Test func linksWithoutTarget() throws {
        try withScratchFolder { folder in
            try JetFixture(jets: 10).write(to: folder + "/a.h5")
            try FileManager.default.copyItem(
                atPath: oddFile("../../HDF5Tests/Fixtures/h5py"), toPath: folder + "/links.h5")
            // h5py.h5 has a link "lost", and no "csts_id".
            #expect(
                failure { _ = try openJetFile(folder + "/links.h5", reading: JetReading()) }
                    .contains("dataset /csts_id is missing"))
            #expect(try File(opening: folder + "/links.h5").root.isDanglingLink("lost"))
        }
    }
}

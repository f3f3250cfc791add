import Foundation
import HDF5
import Jets
import TestSupport
import Testing

@Suite struct JetFileListTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        try withScratchFolder { folder in
            // Not in the order of their names.
            for (name, jets) in [("c.h5", 5), ("a.h5", 3), ("b.hdf5", 4)] {
                try JetFixture(jets: jets).write(to: "\(folder)/\(name)")
            }
            try "no data".write(toFile: folder + "/notes.txt", atomically: true, encoding: .utf8)
            try body(folder)
        }
    }

    @Test func aFolderStandsForItsFiles() throws {
        try withFolder { folder in
            let dataset = try JetDataset(paths: [folder], reading: .withEmptyJets, on: alone)
            #expect(dataset.paths == ["a.h5", "b.hdf5", "c.h5"].map { "\(folder)/\($0)" })
            #expect(dataset.count == 12)
        }
    }

    @Test func aPatternStandsForItsMatches() throws {
        try withFolder { folder in
            let dataset = try JetDataset(
                paths: ["\(folder)/[ab].h*5", "\(folder)/c.h5"], reading: .withEmptyJets, on: alone)
            #expect(dataset.paths == ["a.h5", "b.hdf5", "c.h5"].map { "\(folder)/\($0)" })
            #expect(
                failure { _ = try JetDataset(paths: [folder + "/x*.h5"], reading: .withEmptyJets, on: alone) }
                    == "no file matches \(folder)/x*.h5; correct the pattern")
            try FileManager.default.createDirectory(
                atPath: folder + "/empty", withIntermediateDirectories: true)
            #expect(
                failure { _ = try JetDataset(paths: [folder + "/empty"], reading: .withEmptyJets, on: alone) }
                    == "the folder \(folder)/empty has no file that ends in .h5 or .hdf5; name another folder")
        }
    }

    /// Descriptors do not grow with the number of files.
    @Test func aThousandFiles() throws {
        try withScratchFolder { folder in
            try JetFixture(jets: 14).writePacked(to: folder + "/source")
            for number in 0..<1000 {
                try FileManager.default.linkItem(
                    atPath: folder + "/source", toPath: folder + String(format: "/%04d.h5", number))
            }
            func descriptors() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
            }
            let before = try descriptors()
            let dataset = try JetDataset(paths: [folder], reading: .withEmptyJets, on: alone)
            #expect(dataset.count == 14_000 && dataset.paths.count == 1000)
            let loader = JetLoader(
                dataset: dataset, preprocessing: RawPreprocessing(), order: .init(batchSize: 500, seed: 1))
            var jets: [Int] = []
            for step in 0..<loader.stepsPerEpoch { jets += try loader.batch(epoch: 0, step: step).jets }
            #expect(jets.sorted() == Array(0..<14_000))
            // Other tests of this process may open files at the same time.
            #expect(try descriptors() - before < 200)
        }
    }

    /// A file that is replaced during a run is an error.
    @Test func aFileThatIsReplaced() throws {
        try withFolder { folder in
            let dataset = try JetDataset(paths: [folder], reading: .withEmptyJets, on: alone)
            try FileManager.default.removeItem(atPath: folder + "/c.h5")
            try JetFixture(jets: 6).write(to: folder + "/c.h5")
            let message = failure { _ = try dataset.read(block: 2) }
            #expect(
                message.hasPrefix("\(folder)/c.h5 has 6 jets of 3 classes, but had 5 of 3 at the start: "))
        }
    }

    // MARK: Damage

    /// A file of some blocks, after `change` to its bytes or its contents.
    private func damaged(
        packed: Bool, _ change: (String) throws -> Void, _ check: (String, String) throws -> Void
    ) throws {
        try withScratchFolder { folder in
            let (good, bad) = (folder + "/a.h5", folder + "/b.h5")
            var fixture = JetFixture(jets: 3000)
            fixture.chunk = 1000
            for path in [good, bad] {
                if packed { try fixture.writePacked(to: path) } else { try fixture.write(to: path) }
            }
            try change(bad)
            let message = failure {
                let dataset = try JetDataset(paths: [folder], reading: .withEmptyJets, on: alone)
                for block in 0..<dataset.blockCount { _ = try dataset.read(block: block) }
            }
            try check(message, bad)
        }
    }

    @Test(arguments: [true, false])
    func truncatedFilesAreNamed(packed: Bool) throws {
        try damaged(packed: packed) { path in
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            try handle.truncate(atOffset: try handle.seekToEnd() / 2)
        } _: { message, path in
            #expect(message.hasPrefix("HDF5 open \(path): truncated file"))
        }
    }

    /// With a flipped bit, the checksum or the decompression of the chunk fails.
    @Test(arguments: [true, false])
    func flippedBitsAreNamed(packed: Bool) throws {
        try damaged(packed: packed) { path in
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            // Most of the file are the chunks of /csts.
            for index in stride(from: bytes.count / 4, to: bytes.count * 3 / 4, by: 1009) {
                bytes[index] ^= 16
            }
            try bytes.write(to: URL(fileURLWithPath: path))
        } _: { message, path in
            #expect(message.contains("/csts in \(path), ") || message.contains(path), "\(message)")
            #expect(message.hasPrefix("HDF5 ") && !message.contains("\n"), "\(message)")
        }
    }

    @Test(arguments: [true, false])
    func anotherSchemaIsNamed(packed: Bool) throws {
        try damaged(packed: packed) { path in
            let file = try File(creating: path)
            try file.root.write([1, 2, 3] as [Float], as: "weights")
            try file.close()
        } _: { message, path in
            #expect(message.hasPrefix("dataset /csts is missing in \(path); a file of jets has"))
        }
    }

    @Test(arguments: [true, false])
    func anotherTypeIsNamed(packed: Bool) throws {
        try damaged(packed: packed) { path in
            var fixture = JetFixture(jets: 3000)
            fixture.missing = ["csts_id"]
            if packed { try fixture.writePacked(to: path) } else { try fixture.write(to: path) }
            let file = try File(opening: path, .readWrite)
            let shape = try file.root.dataset("csts").shape.dropLast()
            _ = try file.root.createDataset("csts_id", of: .float32, shape: Array(shape))
            try file.close()
        } _: { message, path in
            #expect(
                message == "/csts_id in \(path) is of type float32, not of integers: write the file again")
        }
    }
}

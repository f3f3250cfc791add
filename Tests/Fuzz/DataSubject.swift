import Commands
import Foundation
import Jets
import System

/// A data file, padded or packed, in the old and the new format of HDF5, for `inspect`, `pack` and training.
struct DataSubject: Subject {
    private let folder: String
    private let valid: [[UInt8]]

    init(_ folder: String) throws {
        self.folder = folder
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let fixtures = [
            "Fixtures/fuzz/padded.h5", "Fixtures/fuzz/packed.h5", "HDF5Tests/Fixtures/h5py.h5",
            "Fixtures/odd/unwritten.h5", "Fixtures/odd/virtual.h5", "Fixtures/odd/user_block.h5",
            "Fixtures/odd/half.h5",
        ]
        var paths = fixtures.map { tests.appendingPathComponent($0).path }
        // Files written by kaon, without and with compression.
        for (name, compression) in [("zero.h5", 0), ("four.h5", 4)] {
            paths.append(folder + "/" + name)
            var options = JetPacker.Options()
            (options.compression, options.maxConstituents) = (compression, 8)
            _ = try pack(
                [paths[0]], to: OutputFile(paths[paths.count - 1], overwrites: true), options,
                console: Console(isSilent: true))
        }
        // The sources of the virtual file, which are not damaged.
        for name in ["part_a.h5", "part_b.h5"] where !FileManager.default.fileExists(atPath: "\(folder)/\(name)") {
            try FileManager.default.copyItem(
                atPath: tests.appendingPathComponent("Fixtures/odd/\(name)").path, toPath: "\(folder)/\(name)")
        }
        valid = try paths.map { Array(try Data(contentsOf: URL(fileURLWithPath: $0))) }
    }

    func tryInput(_ random: inout SplitMix) throws {
        var bytes = random.element(valid)
        Mutation.apply(to: &bytes, &random)
        if random.oneIn(2) { HDF5Checksums.repair(&bytes) }
        let path = folder + "/input.h5"
        try Data(bytes).write(to: URL(fileURLWithPath: path))

        var complaints: [any Error] = []
        func attempt(_ work: () throws -> Void) {
            do { try work() } catch { complaints.append(error) }
        }
        attempt { _ = try inspect([path]) }
        attempt { try Self.readAll(path) }
        attempt {
            var options = JetPacker.Options()
            (options.compression, options.maxConstituents, options.jets) = (1, 4, 5)
            _ = try pack(
                [path], to: OutputFile(folder + "/packed.h5", overwrites: true), options,
                console: Console(isSilent: true))
        }
        // All messages are checked; the last error is rethrown for the count of refused inputs.
        for error in complaints {
            if let fault = complaint(about: "\(error)") { throw Fault(description: fault) }
        }
        if let last = complaints.last { throw last }
    }

    /// Reads the first blocks, as training does.
    private static func readAll(_ path: String) throws {
        let file = try openJetFile(path, reading: JetReading(maxConstituents: 128))
        let rows = file.blockRows
        for start in stride(from: 0, to: min(file.count, 4 * rows), by: rows) {
            let range = start..<min(start + rows, file.count)
            let block = try file.read(rows: range)
            let counts = try file.constituentCounts(rows: range)
            guard block.count == range.count, counts.reduce(0, +) == block.identities.count else {
                throw Fault(
                    description: "\(block.count) jets of \(range.count), \(counts.reduce(0, +)) constituents")
            }
        }
    }
}

import Foundation
import Glibc
import HDF5
import MPI
import TestSupport
import Testing

private let world = makeWorld()

/// Files shared by all ranks. Every test is collective, and valid for any number of ranks.
@Suite(.serialized) struct ParallelFileMPITests {
    let rank = world.rank
    let size = world.size

    /// Calls `body` with a path that is the same on every rank, in a folder that is removed afterwards.
    func withSharedFile(_ body: (String) throws -> Void) throws {
        let name = try world.broadcast("kaon-\(UUID().uuidString)")
        let directory = FileManager.default.temporaryDirectory.appending(path: name)
        try world.onRoot {
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        }
        defer {
            try? world.barrier()
            if rank == 0 { try? FileManager.default.removeItem(at: directory) }
        }
        try body(directory.appending(path: "shared.h5").path)
    }

    /// The rows of a rank: rank r has r + 2.
    func part(_ rank: Int) -> Range<Int> {
        let start = (0..<rank).reduce(0) { $0 + $1 + 2 }
        return start..<start + rank + 2
    }

    var rowCount: Int { part(size - 1).upperBound }

    /// Row i, column j: 10 i + j.
    func values(_ rows: Range<Int>) -> [Float] {
        rows.flatMap { row in (0..<5).map { Float(10 * row + $0) } }
    }

    @Test(arguments: [Transfer.independent, .collective]) func eachRankWritesItsPart(transfer: Transfer)
        throws
    {
        try withSharedFile { path in
            let file = try File(creating: path, on: world)
            let dataset = try file.root.createDataset("model/a", of: .float32, shape: [rowCount, 5])
            try dataset.write(values(part(rank)), rows: part(rank), transfer: transfer)
            try file.close()

            let shared = try File(opening: path, on: world)
            let again = try shared.root.dataset("model/a")
            #expect(try again.readAll() == values(0..<rowCount))
            let next = part((rank + 1) % size)
            #expect(try again.rows(next, transfer: transfer) == values(next))
            // Opened by one process, like a Python program.
            #expect(try File(opening: path).root.read("model/a", as: Float.self) == values(0..<rowCount))
        }
    }

    @Test func compressedDatasetsAreWrittenTogether() throws {
        try withSharedFile { path in
            let file = try File(creating: path, on: world)
            let dataset = try file.root.createDataset(
                "a", of: .float32, shape: [rowCount, 5], chunks: [3, 5], filters: .deflate(6))
            let error = #expect(throws: HDF5Error.self) {
                try dataset.write(values(part(rank)), rows: part(rank), transfer: .independent)
            }
            #expect(
                error?.description == "HDF5 write /a in \(path), rows \(part(rank)): "
                    + "the ranks that share a file must write a dataset with filters collectively")
            // Including chunks with rows of two ranks.
            try dataset.write(values(part(rank)), rows: part(rank), transfer: .collective)
            try file.close()

            let shared = try File(opening: path, on: world)
            #expect(try shared.root.dataset("a").filters == .deflate(6))
            #expect(try shared.root.read("a", as: Float.self) == values(0..<rowCount))
        }
    }

    @Test func ranksReadOnTheirOwn() throws {
        let file = try File(opening: fixture("h5py.h5"), on: world)
        let csts = try file.root.dataset("csts")
        // A different number of reads of compressed chunks on every rank.
        for step in 0...rank {
            let rows = (step + rank) % 12..<12
            #expect(try csts.rows(rows) == (15 * rows.lowerBound..<180).map { Float($0) / 4 })
        }
        #expect(try csts.stringsAttribute("names") == ["pt", "Δη", "Δφ"])
    }

    @Test func aRankMayHaveNoRows() throws {
        try withSharedFile { path in
            let file = try File(creating: path, on: world)
            let dataset = try file.root.createDataset(
                "a", of: .int32, shape: [4], chunks: [2], filters: .deflate(1))
            let rows = rank == size - 1 ? 0..<4 : 0..<0
            let mine: [Int32] = rows.map { Int32($0 + 1) }
            try dataset.write(mine, rows: rows, transfer: .collective)
            #expect(try dataset.rows(rows, transfer: .collective) == mine)
        }
    }

    @Test func convenienceWritesComeFromRank0() throws {
        try withSharedFile { path in
            let file = try File(creating: path, on: world)
            try file.root.write([rank, 7], as: "numbers")
            try file.root.write([0.5 as Float], shape: [], as: "state/rate")
            try file.close()
            let alone = try File(opening: path)
            #expect(try alone.root.read("numbers", as: Int.self) == [0, 7])
            #expect(try alone.root.read("state/rate", as: Float.self) == [0.5])
        }
    }

    @Test func attributesAreSetTogether() throws {
        try withSharedFile { path in
            let text = String(repeating: "seed: 0 # Δη\n", count: 10_000)
            let file = try File(creating: path, on: world)
            try file.root.setAttribute("configuration", to: "to be replaced")
            try file.root.setAttribute("configuration", to: text)
            let group = try file.root.createGroup("a/b")
            try group.setAttribute("names", to: ["pt", "Δη"])
            try group.setAttribute("numbers", to: (0..<20_000).map { Double($0) })
            try file.close()
            for communicator in [nil, world] {
                let again = try File(opening: path, on: communicator)
                #expect(try again.root.stringAttribute("configuration") == text)
                #expect(try again.root.group("a/b").stringsAttribute("names") == ["pt", "Δη"])
                #expect(try again.root.group("a/b").doublesAttribute("numbers").count == 20_000)
            }
        }
    }

    @Test func aFileIsChangedTogether() throws {
        try withSharedFile { path in
            try world.onRoot {
                let file = try File(creating: path)
                try file.root.write([Int](repeating: -1, count: size), as: "a")
                try file.close()
            }
            let file = try File(opening: path, .readWrite, on: world)
            try file.root.dataset("a").write([rank], rows: rank..<rank + 1)
            try file.close()
            #expect(try File(opening: path, on: world).root.read("a", as: Int.self) == (0..<size).map { $0 })
        }
    }

    @Test func groupsOfRanksHaveSeparateFiles() throws {
        try withSharedFile { path in
            let half = try world.split(color: rank % 2, key: rank)
            let file = try File(creating: "\(path).\(rank % 2)", on: half)
            let dataset = try file.root.createDataset("a", of: .int32, shape: [half.size])
            try dataset.write([Int32(rank)], rows: half.rank..<half.rank + 1, transfer: .collective)
            try file.close()
            let members = (0..<size).filter { $0 % 2 == rank % 2 }
            #expect(
                try File(opening: "\(path).\(rank % 2)", on: half).root.read("a", as: Int.self) == members)
        }
    }

    /// A thread reads ahead while the ranks reduce, as the loader does.
    @Test func readingAndReducingRunConcurrently() async throws {
        let file = try File(opening: fixture("h5py.h5"), on: world)
        let csts = try file.root.dataset("csts")
        let reader = Task.detached { [rank] in
            try (0..<200).reduce(0) { sum, step in
                let row = (step + rank) % 12
                return sum + (try csts.rows(row..<row + 1) as [Float]).count
            }
        }
        for step in 0..<200 { #expect(try world.allReduce(step) == step * size) }
        #expect(try await reader.value == 200 * 15)
    }

    /// A rank that fails must not wait for the others when it releases its file.
    @Test func oneRankReleasesItsFile() throws {
        try withSharedFile { path in
            do {
                let file = try File(creating: path, on: world)
                let dataset = try file.root.createDataset("a", of: .int32, shape: [size])
                try dataset.write([Int32(rank)], rows: rank..<rank + 1)
                if rank != 0 { try world.barrier() }
            }
            if rank == 0 { try world.barrier() }
        }
    }

    // MARK: Errors

    @Test func missingFilesAreReportedOnAllRanks() throws {
        let error = #expect(throws: AgreedError.self) {
            _ = try File(opening: "/nowhere/train.h5", on: world)
        }
        #expect(error?.message == "HDF5 open /nowhere/train.h5: no such file or directory")
        let other = #expect(throws: AgreedError.self) { _ = try File(opening: #filePath, on: world) }
        #expect(other?.message == "HDF5 open \(#filePath): not an HDF5 file")
    }

    @Test func aFileMissingOnOneRankIsReported() throws {
        let missing = "/nowhere/train.h5"
        let path = rank == size - 1 ? missing : fixture("h5py.h5")
        let error = #expect(throws: AgreedError.self) { _ = try File(opening: path, on: world) }
        let message = "HDF5 open \(missing): no such file or directory"
        #expect(error?.message == (size == 1 ? message : "rank \(size - 1): \(message)"))
    }

    @Test func failingToCreateDoesNotHang() throws {
        let error = #expect(throws: (any Error).self) {
            _ = try File(creating: "/nowhere/model.h5", on: world)
        }
        #expect("\(error!)" == "HDF5 create /nowhere/model.h5: no such file or directory")
    }
}

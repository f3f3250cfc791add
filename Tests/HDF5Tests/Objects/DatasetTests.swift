import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct DatasetTests {
    // MARK: Types

    @Test func everyTypeIsRestored() throws {
        func check<T: HDF5Scalar & Equatable>(_ values: [T], _ type: ElementType) throws {
            try withScratchFile { path in
                let file = try File(creating: path)
                try file.root.write(values, as: "values")
                let dataset = try file.root.dataset("values")
                #expect(dataset.elementType == type)
                #expect(try dataset.readAll() == values)
            }
        }
        try check([-.infinity, -0.0, .leastNonzeroMagnitude, .pi] as [Float], .float32)
        try check([-.infinity, -0.0, .leastNonzeroMagnitude, .pi] as [Double], .float64)
        try check([.min, -1, .max] as [Int8], .int8)
        try check([.min, -1, .max] as [Int16], .int16)
        try check([.min, -1, .max] as [Int32], .int32)
        try check([.min, -1, .max] as [Int64], .int64)
        try check([.min, -1, .max] as [Int], .int64)
        try check([0, 1, .max] as [UInt8], .uint8)
        try check([0, 1, .max] as [UInt16], .uint16)
        try check([0, 1, .max] as [UInt32], .uint32)
        try check([0, 1, .max] as [UInt64], .uint64)
    }

    @Test func numbersAreConverted() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            try file.root.write([1, 2, 3] as [Int64], as: "labels")
            #expect(try file.root.read("labels", as: Int32.self) == [1, 2, 3])
            #expect(try file.root.read("labels", as: Float.self) == [1, 2, 3])
            let halves = try file.root.createDataset("halves", of: .float32, shape: [2])
            try halves.write([0.5, 1.5] as [Double], rows: 0..<2)
            #expect(try halves.readAll() as [Double] == [0.5, 1.5])
        }
    }

    @Test func booleansAreBytes() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            let mask = try file.root.createDataset("mask", of: .boolean, shape: [4])
            #expect(mask.elementType == .boolean)
            try mask.write([1, 0, 1, 1] as [UInt8], rows: 0..<4)
            #expect(try mask.readAll() as [UInt8] == [1, 0, 1, 1])
            #expect(try mask.readAll() as [Float] == [1, 0, 1, 1])
            let value = #expect(throws: HDF5Error.self) { try mask.write([2] as [UInt8], rows: 0..<1) }
            #expect(value?.reason == "a boolean is 0 or 1")
            let type = #expect(throws: HDF5Error.self) { try mask.write([1] as [Float], rows: 0..<1) }
            #expect(type?.reason == "a boolean dataset takes UInt8 or Int8, not Float")
        }
    }

    // MARK: Shapes

    @Test func singleValuesAndEmptyDatasets() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            try file.root.write([42] as [Int], shape: [], as: "step")
            let step = try file.root.dataset("step")
            #expect(step.shape == [])
            #expect(try step.readAll() == [42])
            try file.root.write([] as [Float], shape: [0, 7], as: "none")
            let none = try file.root.dataset("none")
            #expect(none.shape == [0, 7])
            #expect(try none.readAll() as [Float] == [])
            #expect(try none.rows(0..<0) as [Float] == [])
        }
    }

    @Test func newElementsAreZero() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            let dataset = try file.root.createDataset("a", of: .float32, shape: [10, 3], chunks: [4, 3])
            #expect(try dataset.readAll() as [Float] == [Float](repeating: 0, count: 30))
            #expect(dataset.storedBytes == 0)
        }
    }

    @Test(arguments: [nil, [3, 4, 2], [12, 5, 3]]) func rowsAndBoxes(chunks: [Int]?) throws {
        try withScratchFile { path in
            let (rows, columns, features) = (12, 5, 3)
            let file = try File(creating: path)
            let dataset = try file.root.createDataset(
                "a", of: .int32, shape: [rows, columns, features], chunks: chunks)
            #expect(dataset.chunks == chunks)
            let all = (0..<Int32(rows * columns * features)).map { $0 }
            // In parts of different sizes, out of order.
            for part in [7..<12, 0..<1, 1..<7] {
                try dataset.write(Array(all[part.lowerBound * 15..<part.upperBound * 15]), rows: part)
            }
            #expect(try dataset.readAll() == all)
            #expect(try dataset.rows(2..<9) == Array(all[30..<135]))
            #expect(try dataset.rows(12..<12) == [] as [Int32])

            var box = [Int32](repeating: 0, count: 3 * 2 * 1)
            try box.withUnsafeMutableBufferPointer {
                try dataset.read(start: [4, 1, 2], count: [3, 2, 1], into: $0)
            }
            #expect(box == [65, 68, 80, 83, 95, 98])
            try box.map { -$0 }.withUnsafeBufferPointer {
                try dataset.write(start: [4, 1, 2], count: [3, 2, 1], from: $0)
            }
            #expect(try dataset.readAll().map(abs) == all)
            #expect(try dataset.readAll().filter { $0 < 0 as Int32 } == box.map { -$0 })
        }
    }

    // MARK: Chunks and filters

    @Test func compressionIsLossless() throws {
        try withScratchFile { path in
            let values = (0..<100_000).map { Float($0 % 1000) }
            let file = try File(creating: path)
            func stored(_ name: String, _ filters: Filters) throws -> Int {
                let dataset = try file.root.createDataset(
                    name, of: .float32, shape: [1000, 100], chunks: [100, 100], filters: filters)
                #expect(dataset.filters == filters)
                try dataset.write(values, rows: 0..<1000)
                #expect(try dataset.readAll() == values)
                return dataset.storedBytes
            }
            let plain = try stored("plain", .none)
            let deflated = try stored("deflated", .deflate(4, shuffle: false))
            let shuffled = try stored("shuffled", .deflate(4))
            #expect(plain == 400_000)
            #expect(deflated < plain / 2)
            #expect(shuffled < deflated)
        }
    }

    @Test func filtersHaveDefaultChunks() throws {
        try withScratchFile { path in
            let root = try File(creating: path).root
            let large = try root.createDataset(
                "large", of: .float32, shape: [5000, 128, 7], filters: .deflate(1))
            #expect(large.chunks == [292, 128, 7])
            let small = try root.createDataset("small", of: .float32, shape: [3], filters: .deflate(1))
            #expect(small.chunks == [3])
            let single = try root.createDataset("single", of: .float32, shape: [], filters: .deflate(1))
            #expect(single.chunks == nil)
            let cut = try root.createDataset("cut", of: .float32, shape: [10, 7], chunks: [1000, 7])
            #expect(cut.chunks == [10, 7])
            let empty = try root.createDataset("empty", of: .float32, shape: [0, 7], filters: .deflate(1))
            #expect(empty.shape == [0, 7])
        }
    }

    @Test func threadsReadConcurrently() throws {
        let csts = try File(opening: fixture("h5py.h5")).root.dataset("csts")
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for step in 0..<100 {
                let row = (step + thread) % 12
                #expect((try? csts.rows(row..<row + 1)) == (15 * row..<15 * row + 15).map { Float($0) / 4 })
            }
        }
    }

    // MARK: Errors

    @Test func rowsOutsideAreNamed() throws {
        let path = fixture("h5py.h5")
        let csts = try File(opening: path).root.dataset("csts")
        for rows in [8..<13, -1..<2, 100..<101] {
            let error = #expect(throws: HDF5Error.self) { _ = try csts.rows(rows) as [Float] }
            #expect(
                error?.description == "HDF5 read /csts in \(path), rows \(rows): outside the shape [12, 5, 3]"
            )
        }
        let error = #expect(throws: HDF5Error.self) {
            try withUnsafeTemporaryAllocation(of: Float.self, capacity: 2) {
                try csts.read(start: [0, 4, 0], count: [1, 2, 1], into: $0)
            }
        }
        #expect(error?.operation == "read /csts in \(path), start [0, 4, 0], count [1, 2, 1]")
    }

    @Test func unsupportedTypesAreRefused() throws {
        let path = fixture("h5py.h5")
        let file = try File(opening: path)
        let text = #expect(throws: HDF5Error.self) { _ = try file.root.read("types/text", as: Float.self) }
        #expect(
            text?.description
                == "HDF5 read /types/text in \(path), rows 0..<2: the elements are of type string, not Float")
        let pair = #expect(throws: HDF5Error.self) { _ = try file.root.read("types/pair", as: Int.self) }
        #expect(pair?.reason == "the elements are of type compound, not Int")
        try withScratchFile { path in
            let root = try File(creating: path).root
            let error = #expect(throws: HDF5Error.self) {
                _ = try root.createDataset("a", of: .string, shape: [1])
            }
            #expect(error?.reason == "elements of type string are not supported")
        }
    }

    @Test(arguments: [
        (Filters.deflate(1), "inflate() failed"),
        (Filters(fletcher32: true), "data error detected by Fletcher32 checksum"),
    ])
    func damagedChunksAreReported(filters: Filters, reason: String) throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            let dataset = try file.root.createDataset(
                "a", of: .int32, shape: [5000], chunks: [5000], filters: filters)
            #expect(dataset.filters == filters)
            try dataset.write((0..<5000).map { Int32($0 * $0 % 9973) }, rows: 0..<5000)
            try file.close()
            // The chunk is by far the largest part of the file, so the middle of the file belongs to it.
            var bytes = try Data(contentsOf: URL(filePath: path))
            let middle = bytes.count / 2
            bytes.replaceSubrange(middle..<middle + 100, with: Data(repeating: 0xFF, count: 100))
            try bytes.write(to: URL(filePath: path))
            let damaged = try File(opening: path)
            let error = #expect(throws: HDF5Error.self) { _ = try damaged.root.read("a", as: Int32.self) }
            #expect(error?.description == "HDF5 read /a in \(path), rows 0..<5000: \(reason)")
        }
    }
}

import HDF5
import TestSupport
import Testing

/// Rows that a file does not contain, in files of 20 rows (Fixtures/odd/make_odd.py).
@Suite struct StorageGapTests {
    private func gap(
        _ name: String, _ dataset: String = "mask", _ padding: StorageGap.Padding = .none
    ) throws -> StorageGap? {
        try File(opening: oddFile(name)).root.dataset(dataset).storageGap(padding)
    }

    @Test(arguments: ["whole", "virtual", "virtual_nested", "half", "user_block", "lzf"])
    func completeFiles(name: String) throws {
        for dataset in ["csts", "csts_id", "mask", "labels"] { #expect(try gap(name, dataset) == nil) }
    }

    @Test(arguments: [
        ("virtual_no_source", [10..<20], "the source gone.h5 cannot be used (no such file or directory)"),
        ("virtual_unreadable", [10..<20], "the source make_odd.py cannot be used (not an HDF5 file)"),
        ("virtual_no_dataset", [0..<20], "the source part_a.h5 has no dataset nothing"),
        ("virtual_too_short", [0..<20], "/mask in the source part_a.h5 has the shape [10, 8], less than is mapped"),
        ("virtual_gap", [17..<20], "no source is mapped to them"),
        ("virtual_repeated", [10..<20], "no source is mapped to them"),
        ("virtual_columns", [], "no source is mapped to them"),
        (
            "virtual_nested_gap", [0..<20],
            "the source virtual_gap.h5 lacks 3 of 20 rows (17..<20): no source is mapped to them"
        ),
        (
            "virtual_unwritten", [0..<20],
            "the source unwritten.h5 lacks 5 of 20 rows (10..<15): 6 of 8 chunks were written"
        ),
        ("unwritten", [10..<15], "6 of 8 chunks were written"),
        ("unwritten_contiguous", [0..<20], "they were never written"),
    ])
    func missingRows(name: String, rows: [Range<Int>], reason: String) throws {
        let found = try #require(try gap(name))
        #expect(found.rows == rows && found.reason == reason && found.total == 20)
    }

    @Test func unusedSlotsNeedNotBeStored() throws {
        // 6 of 8 slots are mapped; the fill value of the mask has to be 0.
        #expect(try gap("virtual_columns", "csts", .slots) == nil)
        #expect(try gap("virtual_columns", "mask", .slots) == nil)
        #expect(try gap("virtual_columns", "mask", .slotsOfZeros) != nil)
        #expect(try gap("virtual_padded", "mask", .slotsOfZeros) == nil)
        #expect(try gap("virtual_padded", "mask") != nil)
        // The chunks of the last slots were not written.
        for (name, padding) in [("csts", StorageGap.Padding.slots), ("mask", .slotsOfZeros)] {
            #expect(try gap("unwritten_slots", name, padding) == nil)
            #expect(try gap("unwritten_slots", name)?.rows == [0..<20])
            #expect(try gap("unwritten", name, padding)?.rows == [10..<15])
        }
        // A feature that is not mapped is missing in every slot.
        #expect(try gap("virtual_features", "csts", .slots)?.reason == "no source is mapped to them")
        #expect(try gap("virtual_gap", "csts", .slots)?.rows == [17..<20])
    }

    @Test func descriptions() throws {
        #expect(try gap("virtual_gap")?.description == "3 of 20 rows (17..<20)")
        #expect(try gap("virtual_columns")?.description == "some of 20 rows")
    }

    @Test func chunksOfColumns() throws {
        try withScratchFolder { folder in
            let path = folder + "/a.h5"
            let file = try File(creating: path)
            try file.root.write([1, 2, 3], as: "a")
            let empty = try file.root.createDataset("empty", of: .float32, shape: [0, 7], chunks: [10, 7])
            #expect(try empty.storageGap() == nil)
            let late = try file.root.createDataset("late", of: .float32, shape: [30, 2], chunks: [10, 1])
            try [Float](repeating: 1, count: 20).withUnsafeBufferPointer {
                try late.write(start: [0, 0], count: [20, 1], from: $0)
            }
            #expect(try late.storageGap()?.description == "30 of 30 rows (0..<30)")
            #expect(try file.root.dataset("a").storageGap() == nil)
        }
    }
}

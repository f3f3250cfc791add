import HDF5
import TestSupport
import Testing

/// Files of other programs and other versions of the library (Fixtures/odd/make_odd.py).
@Suite struct OddFileTests {
    private func reason(_ work: () throws -> Void) -> String {
        do { try work() } catch { return (error as? HDF5Error)?.reason ?? "\(error)" }
        return ""
    }

    private func missing(_ filter: String) -> String {
        "the library has no filter '\(filter)': write the file again with gzip compression, or name the folder of the "
            + "filter's plugin in HDF5_PLUGIN_PATH"
    }

    @Test(arguments: ["lzf", "blosc", "zstd"]) func filtersThatAreMissing(filter: String) throws {
        let csts = try File(opening: oddFile(filter)).root.dataset("csts")
        #expect(reason { try csts.checkFilters() } == missing(filter))
        // The reason is not the first line of the library's errors, which is about the folder of its plugins.
        let message = reason { _ = try csts.readAll() as [Float] }
        #expect(message.hasPrefix("the library has no filter '"), "\(message)")
        #expect(reason { try File(opening: oddFile("unwritten")).root.dataset("csts").checkFilters() } == "")
    }

    @Test func newerFormats() throws {
        let root = try File(opening: oddFile("newer")).root
        #expect(
            reason { _ = try root.dataset("mask") }
                == "the file is damaged, or needs a newer library than HDF5 \(HDF5Library.version) (bad version number "
                + "for datatype message): write it again in an older format, with h5py by libver='earliest'")
    }

    @Test func halfPrecision() throws {
        let half = try File(opening: oddFile("half"))
        let whole = try File(opening: oddFile("whole"))
        #expect(try half.root.dataset("csts").elementType == .float16)
        let values = zip(try half.root.read("csts", as: Float.self), try whole.root.read("csts", as: Float.self))
        #expect(values.allSatisfy { $0 == Float(Float16($1)) })
        try withScratchFile { path in
            let copy = try File(creating: path).root.createDataset("a", of: .float16, shape: [3])
            try copy.write([1.5, -65504, 6e-8] as [Float], rows: 0..<3)
            #expect(try copy.readAll() == [1.5, -65504, Float(Float16(6e-8))] as [Float])
        }
    }

    @Test func userBlocksAreSkipped() throws {
        try FileSeal.verify(oddFile("user_block"))
        #expect(try File(opening: oddFile("user_block")).root.read("labels", as: Int.self).count == 20)
        #expect(reason { try FileSeal.verify(#filePath) } == "not an HDF5 file")
    }
}

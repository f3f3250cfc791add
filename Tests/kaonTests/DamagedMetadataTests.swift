import Foundation
import Testing

/// The HDF5 library crashes on some damaged metadata, and on some it never returns; kaon has the last word.
/// (Other versions of the library may find the damage themselves, or none.)
@Suite struct DamagedMetadataTests {
    private func fuzzed(_ name: String) -> URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/fuzz/\(name).h5")
    }

    private func check(_ path: String) throws {
        let outcome = try kaon(["inspect", path])
        #expect(outcome.seconds < 30)
        guard outcome.code != 0 else { return }
        #expect(outcome.code == 1 && outcome.complaints.count == 1, "\(outcome.errors)")
        #expect(outcome.complaints.first?.hasPrefix("Error: HDF5 ") == true)
        #expect(outcome.complaints.first?.contains(path) == true)
    }

    /// Free space of no size, over which the library goes for ever.
    @Test func aHeapWithoutEnd() throws {
        try withScratchFolder { folder in
            var data = try Data(contentsOf: fuzzed("padded"))
            let heap = try #require(data.range(of: Data("GCOL".utf8)))
            data.replaceSubrange(heap.lowerBound + 72..<heap.lowerBound + 80, with: Data(count: 8))
            try data.write(to: URL(fileURLWithPath: folder + "/x.h5"))
            try check(folder + "/x.h5")
        }
    }

    @Test func aFileThatCrashesTheLibrary() throws {
        try check(fuzzed("crash").path)
    }
}

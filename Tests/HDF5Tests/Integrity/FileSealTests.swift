import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct FileSealTests {
    private func withSealedFile(_ body: (String, Data) throws -> Void) throws {
        try withScratchFile { path in
            let file = try File(creating: path, isSealed: true)
            try file.root.write([1, 2, 3] as [Float], as: "x")
            try file.close()
            try FileSeal.write(to: path)
            try body(path, Data(contentsOf: URL(fileURLWithPath: path)))
        }
    }

    @Test func aSealedFileIsAnHDF5File() throws {
        try withSealedFile { path, data in
            #expect(failure { try FileSeal.verify(path) } == "")
            #expect(try File(opening: path).root.read("x", as: Float.self) == [1, 2, 3])
            let line = try #require(String(data: data.prefix(512), encoding: .utf8)).prefix { $0 != "\n" }
            #expect(line.wholeMatch(of: /kaonseal [0-9a-f]{16} of (\d+) bytes/)?.1 == "\(data.count)")
        }
    }

    @Test func equalContentsMakeEqualBytes() throws {
        try withSealedFile { _, first in
            try withSealedFile { _, second in #expect(first == second) }
        }
    }

    /// Every file has a checksum; it is that of the bytes behind the seal, which files of earlier versions lack.
    @Test func theChecksumIdentifiesTheContents() throws {
        try withSealedFile { path, data in
            let sum = try FileSeal.checksum(of: path)
            #expect(data.prefix(25) == Data("kaonseal \(sum)".utf8))
            let unsealed = Data(count: 512) + data.dropFirst(512)
            try unsealed.write(to: URL(fileURLWithPath: path))
            #expect(try FileSeal.checksum(of: path) == sum)
            try (unsealed + Data([0])).write(to: URL(fileURLWithPath: path))
            #expect(try FileSeal.checksum(of: path) != sum)
            #expect(failure { _ = try FileSeal.checksum(of: "/nowhere.h5") }.hasSuffix("no such file or directory"))
        }
    }

    @Test func damageAnywhereIsFound() throws {
        try withSealedFile { path, data in
            for place in stride(from: 0, to: data.count, by: 41) {
                var changed = data
                changed[place] ^= 1
                try changed.write(to: URL(fileURLWithPath: path))
                let expected =
                    place < 8
                    ? "not an HDF5 file" : "the file is damaged or cut: its bytes do not fit its checksum"
                #expect(
                    failure { try FileSeal.verify(path) } == "HDF5 open \(path): \(expected)", "byte \(place)"
                )
            }
            for count in [0, 7, 511, 512, 600, data.count - 1] {
                try data.prefix(count).write(to: URL(fileURLWithPath: path))
                #expect(
                    failure { try FileSeal.verify(path) }.hasPrefix("HDF5 open \(path): "), "\(count) bytes")
            }
            try (data + Data([0])).write(to: URL(fileURLWithPath: path))
            #expect(failure { try FileSeal.verify(path) }.hasSuffix("do not fit its checksum"))
        }
    }

    /// A file is verified once, and again after a change.
    @Test func damageAfterAVerificationIsFound() throws {
        try withSealedFile { path, _ in
            // Until the time of a change can be told from that of the file.
            Thread.sleep(forTimeInterval: 3.5)
            for _ in 0..<2 { try FileSeal.verify(path) }
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            try file.seek(toOffset: 700)
            try file.write(contentsOf: Data([42]))
            try file.close()
            #expect(failure { try FileSeal.verify(path) }.hasSuffix("its bytes do not fit its checksum"))
        }
    }

    @Test func aFileWithoutSealPasses() throws {
        #expect(failure { try FileSeal.verify(sample("val")) } == "")
        #expect(
            failure { try FileSeal.verify("/nowhere.h5") }
                == "HDF5 open /nowhere.h5: no such file or directory")
        #expect(failure { try FileSeal.verify(#filePath) } == "HDF5 open \(#filePath): not an HDF5 file")
    }
}

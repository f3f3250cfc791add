import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct FileTests {
    @Test func theVersionIsKnown() {
        #expect(HDF5Library.version.wholeMatch(of: /\d+\.\d+\.\d+/) != nil)
    }

    @Test func aWrittenFileIsRestored() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            try file.root.write([1, 2, 3] as [Int32], as: "numbers")
            try file.flush()
            try file.close()
            let again = try File(opening: path)
            #expect(try again.root.read("numbers", as: Int32.self) == [1, 2, 3])
        }
    }

    @Test func aFileCanBeChanged() throws {
        try withScratchFile { path in
            do {
                let file = try File(creating: path)
                try file.root.write([1, 2] as [Float], as: "a")
            }
            do {
                let file = try File(opening: path, .readWrite)
                try file.root.dataset("a").write([5, 6] as [Float], rows: 0..<2)
                try file.root.write([3] as [Float], as: "b")
            }
            let file = try File(opening: path)
            #expect(try file.root.read("a", as: Float.self) == [5, 6])
            #expect(try file.root.read("b", as: Float.self) == [3])
        }
    }

    @Test func creatingEmptiesAFile() throws {
        try withScratchFile { path in
            let first = try File(creating: path)
            try first.root.write([1] as [Float], as: "a")
            try first.close()
            let second = try File(creating: path)
            #expect(try second.root.children.isEmpty)
        }
    }

    @Test func equalContentsMakeEqualBytes() throws {
        func bytes() throws -> Data {
            try withScratchFile { path in
                let file = try File(creating: path)
                try file.root.createGroup("model/encoder").setAttribute("width", to: 512)
                try file.root.write([1, 2, 3] as [Float], as: "model/weight")
                try file.root.setAttribute("configuration", to: "seed: 0")
                try file.close()
                return try Data(contentsOf: URL(filePath: path))
            }
        }
        let first = try bytes()
        Thread.sleep(forTimeInterval: 1.1)
        #expect(try bytes() == first)
    }

    // MARK: Errors

    @Test func aMissingFileIsNamed() throws {
        let error = #expect(throws: HDF5Error.self) { _ = try File(opening: "/nowhere/train.h5") }
        #expect(error?.description == "HDF5 open /nowhere/train.h5: no such file or directory")
    }

    @Test func anotherFormatIsRecognised() throws {
        try withScratchFile { path in
            try Data("step,epoch,jets\n".utf8).write(to: URL(filePath: path))
            let error = #expect(throws: HDF5Error.self) { _ = try File(opening: path) }
            #expect(error?.description == "HDF5 open \(path): not an HDF5 file")
        }
    }

    /// Nobody writes into the pipe.
    @Test func aPipeIsRecognised() throws {
        try withScratchFile { path in
            #expect(mkfifo(path, 0o600) == 0)
            for open in [{ _ = try File(opening: path) }, { try FileSeal.verify(path) }] {
                let error = #expect(throws: HDF5Error.self) { try open() }
                #expect(error?.description == "HDF5 open \(path): a device or a pipe, not a file")
            }
        }
    }

    @Test func aTruncatedFileIsRecognised() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            try file.root.write([Float](repeating: 1, count: 10_000), as: "a")
            try file.close()
            truncate(path, 20_000)
            let error = #expect(throws: HDF5Error.self) { _ = try File(opening: path) }
            #expect(error?.reason.contains("truncated file") == true)
        }
    }

    @Test func aDirectoryThatIsMissingIsReported() throws {
        let error = #expect(throws: HDF5Error.self) { _ = try File(creating: "/nowhere/model.h5") }
        #expect(error?.description == "HDF5 create /nowhere/model.h5: no such file or directory")
    }

    @Test func aFullDiskIsReported() async {
        // In a separate process, because the library keeps the data that it cannot write.
        await #expect(processExitsWith: .success) {
            let error = #expect(throws: HDF5Error.self) { _ = try File(creating: "/dev/full") }
            #expect(error?.description == "HDF5 create /dev/full: no space left on device")
        }
    }

    /// Because of its buffers, the library may detect the error only when the file is closed.
    @Test func aFileThatCannotGrowIsReported() async {
        await #expect(processExitsWith: .success) {
            try withScratchFile { path in
                signal(SIGXFSZ, SIG_IGN)
                var limit = rlimit(rlim_cur: 100_000, rlim_max: 100_000)
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                let error = #expect(throws: HDF5Error.self) {
                    let file = try File(creating: path)
                    let dataset = try file.root.createDataset(
                        "a", of: .float32, shape: [100_000], chunks: [50_000])
                    try dataset.write([Float](repeating: 1, count: 100_000), rows: 0..<100_000)
                    try file.close()
                }
                #expect(error?.description == "HDF5 close \(path): file too large")
            }
        }
    }

    @Test func aFileOpenedForReadingIsNotWritten() throws {
        try withScratchFile { path in
            try File(creating: path).close()
            let file = try File(opening: path)
            let error = #expect(throws: HDF5Error.self) { try file.root.write([1] as [Float], as: "a") }
            #expect(error?.description.hasPrefix("HDF5 create dataset /a in \(path): ") == true)
        }
    }

    @Test func theObjectsOfAClosedFileThrow() throws {
        try withScratchFile { path in
            let file = try File(creating: path)
            try file.root.write([1] as [Float], as: "a")
            let dataset = try file.root.dataset("a")
            try file.close()
            #expect(throws: HDF5Error.self) { _ = try dataset.readAll() as [Float] }
        }
    }

    @Test func theObjectsKeepTheirFileOpen() throws {
        let types = try File(opening: fixture("h5py.h5")).root.group("types")
        #expect(try types.read("f4", as: Float.self) == [1, 2, 3])
    }

    /// By default, the library prints its error stack.
    @Test func nothingIsPrinted() async throws {
        let result = try await #require(
            processExitsWith: .success, observing: [\.standardErrorContent, \.standardOutputContent]
        ) {
            _ = try? File(opening: "/nowhere/train.h5")
            _ = try? File(opening: "/proc/self/status")
            let file = try File(opening: fixture("h5py.h5"))
            _ = file.root.contains("nowhere/else")
            _ = file.root.hasAttribute("nothing")
            _ = try? file.root.stringAttribute("nothing")
            _ = try? file.root.dataset("nothing")
        }
        #expect(!String(decoding: result.standardErrorContent, as: UTF8.self).contains("HDF5-DIAG"))
        #expect(!String(decoding: result.standardOutputContent, as: UTF8.self).contains("HDF5-DIAG"))
    }
}

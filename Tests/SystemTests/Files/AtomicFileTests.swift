import Foundation
import System
import Testing

@Suite struct AtomicFileTests {
    private struct Failure: Error {}

    private func content(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    private func names(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    @Test func aFileIsReplaced() throws {
        try withScratchFolder { folder in
            try writeAtomically("old", to: folder + "/a")
            #expect(try content(folder + "/a") == "old")
            try replaceAtomically(folder + "/a") { temporary in
                #expect(temporary == folder + "/.a.tmp")
                try Data("new".utf8).write(to: URL(fileURLWithPath: temporary))
                #expect(try content(folder + "/a") == "old")
            }
            #expect(try content(folder + "/a") == "new")
            #expect(try names(folder) == ["a"])
        }
    }

    @Test func anErrorLeavesTheOldFile() throws {
        try withScratchFolder { folder in
            try writeAtomically("old", to: folder + "/a")
            #expect(throws: Failure.self) {
                try replaceAtomically(folder + "/a") { temporary in
                    try Data("ne".utf8).write(to: URL(fileURLWithPath: temporary))
                    throw Failure()
                }
            }
            #expect(try content(folder + "/a") == "old")
            // A folder cannot be replaced by a file.
            try FileManager.default.createDirectory(atPath: folder + "/b/c", withIntermediateDirectories: true)
            let error = #expect(throws: KaonError.self) { try writeAtomically("x", to: folder + "/b") }
            #expect(error?.description == "cannot write \(folder)/b: Is a directory")
            #expect(try names(folder) == ["a", "b"])
        }
        let error = #expect(throws: KaonError.self) { try writeAtomically("x", to: "/proc/no/a") }
        #expect(
            error?.description
                == "cannot write /proc/no/a: there is no folder /proc/no; create it, or choose another one")
        let ofKernel = #expect(throws: KaonError.self) { try checkFolder(of: "/proc/a") }
        #expect(
            ofKernel?.description
                == "cannot write /proc/a: the folder /proc is not writable (/proc holds files of the kernel alone)")
        try withScratchFolder { folder in
            try writeAtomically("x", to: folder + "/file")
            let inFile = #expect(throws: KaonError.self) { try writeAtomically("x", to: folder + "/file/a") }
            #expect(inFile?.description == "cannot write \(folder)/file/a: \(folder)/file is not a folder")
        }
    }

    @Test func aLinkIsReplaced() throws {
        try withScratchFolder { folder in
            for target in ["one", "two"] {
                try linkAtomically(folder + "/latest", to: target)
                #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/latest") == target)
            }
            #expect(try names(folder) == ["latest"])
        }
        let error = #expect(throws: KaonError.self) { try linkAtomically("/proc/no/latest", to: "a") }
        #expect(error?.description == "cannot update /proc/no/latest: No such file or directory")
    }

    @Test func recordsAreAppended() throws {
        try withScratchFolder { folder in
            for record in ["one\n", "two\n"] {
                let file = try AppendedFile(path: folder + "/a")
                try file.write(Data(record.utf8))
                try file.synchronize()
            }
            #expect(try content(folder + "/a") == "one\ntwo\n")
        }
    }
}

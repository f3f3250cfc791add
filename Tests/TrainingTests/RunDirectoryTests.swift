import Foundation
import TestSupport
import Testing
import Training

@Suite struct RunDirectoryTests {
    @Test func foldersAreMade() throws {
        try withScratchFolder { folder in
            let directory = try RunDirectory(folder + "/a/b")
            var isFolder: ObjCBool = false
            #expect(
                FileManager.default.fileExists(atPath: folder + "/a/b/checkpoints", isDirectory: &isFolder))
            #expect(isFolder.boolValue)
            #expect(directory.checkpoint(step: 100) == folder + "/a/b/checkpoints/step-00000100.h5")
        }
    }

    @Test func aDirectoryServesOneRunAtATime() throws {
        try withScratchFolder { folder in
            var first: RunDirectory? = try RunDirectory(folder)
            let message = failure { _ = try RunDirectory(folder) }
            #expect(
                message.hasPrefix(
                    "the run directory \(folder) is in use by another run (process \(getpid()) on "))
            #expect(message.hasSuffix("); wait for it, or give run.directory another folder"))
            #expect(first != nil)
            first = nil
            #expect(failure { _ = try RunDirectory(folder) } == "")
            // A failed attempt has let go of the lock too.
            #expect(failure { _ = try RunDirectory(folder) } == "")
        }
    }

    @Test func aFileInTheWayIsNamed() throws {
        try withScratchFolder { folder in
            let path = folder + "/file"
            try "".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(
                failure { _ = try RunDirectory(path) }
                    == "cannot create the run directory \(path): Not a directory")
            #expect(
                failure { _ = try RunDirectory(path + "/x") }
                    == "cannot create the run directory \(path)/x: Not a directory")
        }
        #expect(
            failure { _ = try RunDirectory("/proc/kaon") }
                == "cannot create the run directory /proc/kaon: No such file or directory")
    }

    @Test func latestPointsToTheLastCheckpoint() throws {
        try withScratchFolder { folder in
            let directory = try RunDirectory(folder)
            #expect(directory.latestCheckpoint == nil)
            for step in [10, 20] {
                try "".write(toFile: directory.checkpoint(step: step), atomically: false, encoding: .utf8)
                try directory.setLatest(step: step)
                #expect(directory.latestCheckpoint == directory.checkpoint(step: step))
            }
            let link = folder + "/checkpoints/latest"
            // The link still holds when the folder moves.
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "step-00000020.h5")
            // The user may point elsewhere.
            try directory.setLatest(step: 10)
            #expect(directory.latestCheckpoint == directory.checkpoint(step: 10))
        }
    }

    /// A run must not begin anew because the link was lost.
    @Test func checkpointsAreFoundWithoutTheLink() throws {
        try withScratchFolder { folder in
            let directory = try RunDirectory(folder)
            for step in [10, 20] {
                try "".write(toFile: directory.checkpoint(step: step), atomically: false, encoding: .utf8)
            }
            #expect(directory.latestCheckpoint == directory.checkpoint(step: 20))
            // A copy that followed the link.
            let file = folder + "/checkpoints/latest"
            try "".write(toFile: file, atomically: false, encoding: .utf8)
            #expect(directory.latestCheckpoint == file)
        }
    }

    @Test func whatAKilledRunLeftUnfinishedGoes() throws {
        try withScratchFolder { folder in
            _ = try RunDirectory(folder)
            let unfinished = folder + "/checkpoints/.step-00000010.h5.tmp"
            let finished = folder + "/checkpoints/step-00000005.h5"
            for path in [unfinished, finished] {
                try "".write(toFile: path, atomically: false, encoding: .utf8)
            }
            _ = try RunDirectory(folder)
            #expect(!FileManager.default.fileExists(atPath: unfinished))
            #expect(FileManager.default.fileExists(atPath: finished))
        }
    }

    @Test func theConfigurationIsReplacedAsAWhole() throws {
        try withScratchFolder { folder in
            let directory = try RunDirectory(folder)
            for text in ["a: 1\n", "b: 2\n"] {
                try directory.write(configuration: text)
                #expect(try String(contentsOfFile: folder + "/config.yaml", encoding: .utf8) == text)
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
                    == [".lock", "checkpoints", "config.yaml"])
        }
    }
}

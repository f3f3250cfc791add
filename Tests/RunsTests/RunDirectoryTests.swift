import Foundation
import RunSupport
import Runs
import TestSupport
import Testing

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

    /// Files of the kernel are writable for the administrator, but no others can be created beside them.
    @Test(arguments: ["/proc/x", "/proc/self/fd/run", "/sys/kernel/x"])
    func foldersOfTheKernelAreRefused(path: String) throws {
        let message = failure { try RunDirectory.check(path) }
        #expect(message.hasPrefix("cannot create the run directory \(path): "), "\(message)")
        try withScratchFolder { try RunDirectory.check($0 + "/a/b") }
    }

    /// Files of the user are not replaced; those of an earlier run are, also if they are cut or damaged.
    @Test(arguments: [
        ("config.yaml", "seed: 1\n", true), ("config.yaml", "# my run\n", true),
        ("config.yaml", "# kaon: 0.1.0\n", false),
        ("config.yaml", "# ka", false), ("config.yaml", "", false), ("metrics.csv", "a,b\n1,2\n", true),
        ("metrics.csv", "step,epoch,jets,train/total_loss\n", false), ("metrics.csv", "step,ep", false),
        ("fitted.h5", "kaonseal 0f1c", false), ("fitted.h5", "broken", false), ("notes.txt", "mine", false),
    ])
    func filesOfTheUserAreRefused(name: String, text: String, isForeign: Bool) throws {
        try withScratchFolder { folder in
            let path = folder + "/" + name
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            let expected =
                "\(path) was not written by kaon, and the run would replace it; give run.directory another folder, or "
                + "move the file"
            #expect(failure { try RunDirectory.check(folder) } == (isForeign ? expected : ""))
        }
        try withScratchFolder { folder in
            try Data([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a]).write(to: URL(fileURLWithPath: folder + "/fitted.h5"))
            #expect(failure { try RunDirectory.check(folder) }.hasPrefix("\(folder)/fitted.h5 was not written by kaon"))
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
            try FileManager.default.createDirectory(
                atPath: folder + "/evaluation", withIntermediateDirectories: false)
            let unfinished = ["/checkpoints/.step-00000010.h5.tmp", "/.config.yaml.tmp"]
            // An evaluation of the run may be writing.
            let finished = [
                "/checkpoints/step-00000005.h5", "/evaluation/predictions.h5", "/evaluation/.metrics.json.tmp",
            ]
            for path in unfinished + finished {
                try "".write(toFile: folder + path, atomically: false, encoding: .utf8)
            }
            _ = try RunDirectory(folder)
            #expect(!unfinished.contains { FileManager.default.fileExists(atPath: folder + $0) })
            #expect(finished.allSatisfy { FileManager.default.fileExists(atPath: folder + $0) })
        }
    }

    private func steps(_ directory: RunDirectory) throws -> [Int] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path + "/checkpoints").compactMap {
            $0.wholeMatch(of: /step-0*(\d+)\.h5/).map { Int($0.1)! }
        }.sorted()
    }

    private func withCheckpoints(_ steps: [Int], _ body: (RunDirectory) throws -> Void) throws {
        try withScratchFolder { folder in
            let directory = try RunDirectory(folder)
            for step in steps {
                try "".write(toFile: directory.checkpoint(step: step), atomically: false, encoding: .utf8)
            }
            try body(directory)
        }
    }

    @Test(
        arguments: [
            (1, nil, nil, [40, 50]), (2, nil, nil, [30, 40, 50]), (9, nil, nil, [10, 20, 30, 40, 50]),
            (0, nil, nil, [40, 50]), (1, 20, nil, [20, 40, 50]), (1, nil, 10, [10, 40, 50]),
            (2, 30, 10, [10, 30, 40, 50]),
        ] as [(Int, Int?, Int?, [Int])])
    func oldCheckpointsGo(count: Int, interval: Int?, best: Int?, kept: [Int]) throws {
        try withCheckpoints([10, 20, 30, 40, 50]) { directory in
            // That of step 50 is not of this course of the run, which has come to step 40.
            directory.removeCheckpoints(before: 40, keepingLast: count, every: interval, best: best)
            let left = try steps(directory)
            #expect(left == kept)
        }
    }

    /// The same command needs it again.
    @Test func theCheckpointToContinueFromStays() throws {
        try withCheckpoints([10, 20, 30, 40]) { directory in
            let path = directory.path + "/../" + URL(fileURLWithPath: directory.path).lastPathComponent
            directory.removeCheckpoints(
                before: 40, keepingLast: 1, every: nil, best: nil, resumed: path + "/checkpoints/step-00000020.h5")
            let left = try steps(directory)
            #expect(left == [20, 40])
        }
    }

    @Test func theLatestComesFirstAndThenThoseBeforeIt() throws {
        try withCheckpoints([10, 20, 30, 100_000_000]) { directory in
            #expect(directory.checkpointCandidates.first == directory.checkpoint(step: 100_000_000))
            try directory.setLatest(step: 20)
            #expect(
                directory.checkpointCandidates == [20, 10, 100_000_000, 30].map { directory.checkpoint(step: $0) })
            // The link may lead nowhere; what is there is still found.
            try directory.setLatest(step: 25)
            #expect(directory.checkpointCandidates.count == 5)
            #expect(directory.checkpointCandidates.first == directory.checkpoint(step: 25))
        }
    }

    @Test func aFolderThatWasReplacedIsNoticed() throws {
        try withScratchFolder { folder in
            let directory = try RunDirectory(folder + "/run")
            #expect(failure { try directory.checkIsOwn() } == "")
            try FileManager.default.moveItem(atPath: folder + "/run", toPath: folder + "/old")
            let message = "the run directory \(folder)/run was removed or replaced"
            #expect(failure { try directory.checkIsOwn() } == message)
            let other = try RunDirectory(folder + "/run")
            #expect(failure { try directory.checkIsOwn() } == message)
            #expect(failure { try other.checkIsOwn() } == "")
        }
    }

    @Test func theConfigurationIsReplacedAsAWhole() throws {
        try withScratchFolder { folder in
            let directory = try RunDirectory(folder)
            for text in ["a: 1\n", "b: 2\n"] {
                try directory.write(configuration: text, provenance: Provenance())
                let written = try String(contentsOfFile: folder + "/config.yaml", encoding: .utf8)
                #expect(written.hasPrefix("# kaon: ") && written.hasSuffix("\n" + text))
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
                    == [".lock", "checkpoints", "config.yaml"])
        }
    }
}

import Foundation
import Testing

/// Checkpoints that cannot be written: earlier ones are kept, and the run continues for its remaining steps.
@Suite(.serialized) struct SavingTests {
    /// From some moment on, the files of the process may have no more bytes than a part of a checkpoint, and it
    /// hears of that as of a full disk.
    @Test func withoutRoomTrainingGoesOnAndTheEndIsAnError() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let process = try KaonProcess(
                run.arguments([
                    "training.steps=1000000", "training.checkpoint_interval=100", "training.log_interval=1000",
                    "training.validation_interval=1000000",
                ]), wrapper: ["bash", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            try process.wait("a checkpoint") { FileManager.default.fileExists(atPath: run.latest) }
            let limit = try KaonProcess(
                command: ["prlimit", "--pid", "\(process.identifier)", "--fsize=200000"])
            #expect(try limit.outcome().code == 0)
            let log = run.directory + "/kaon.log"
            func text() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            try process.wait("two failures") { text().matches(of: /no checkpoint was written/).count > 1 }
            process.send(SIGTERM)
            let outcome = try process.outcome()
            #expect(outcome.code == 1)
            let sentence = try Regex(
                #"warning: step (\d+): no checkpoint was written: HDF5 [^\n]*: file too large "#
                    + #"\(\d+ MB are free there\); the last checkpoint is [^\n]*step-0*(\d+)\.h5; "#
                    + #"training continues, and the next attempt is at step (\d+)"#,
                as: (Substring, Substring, Substring, Substring).self)
            let warning = try #require(text().firstMatch(of: sentence), "\(text())")
            #expect(Int(warning.1)! + 100 == Int(warning.3)!)
            #expect(outcome.complaints.count == 1, "\(outcome.errors)")
            #expect(
                outcome.complaints.first?.contains(/Error: step \d+: no checkpoint was written: HDF5/) == true,
                "\(outcome.errors)")
            // No temporary file is left, and the last checkpoint can be resumed.
            let names = try FileManager.default.contentsOfDirectory(atPath: run.directory + "/checkpoints")
            #expect(names.allSatisfy { !$0.hasSuffix(".tmp") }, "\(names)")
            let again = try kaon(run.arguments(["training.steps=\(Int(warning.2)! + 3)"]))
            #expect(again.code == 0 && again.output.contains("at step \(warning.2)\n"), "\(again.errors)")
        }
    }

    @Test func aDirectoryThatIsReplacedIsLeftAlone() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let process = try KaonProcess(
                run.arguments(["training.steps=1000000", "training.checkpoint_interval=2000"]))
            // The link to the best is the last thing that a save makes.
            try process.wait("a checkpoint") {
                FileManager.default.fileExists(atPath: run.directory + "/checkpoints/best")
            }
            try FileManager.default.moveItem(atPath: run.directory, toPath: folder + "/moved")
            try FileManager.default.createDirectory(
                atPath: run.directory + "/checkpoints", withIntermediateDirectories: true)
            usleep(300_000)
            process.send(SIGTERM)
            let outcome = try process.outcome()
            #expect(outcome.code == 1)
            let message = "no checkpoint was written: the run directory \(run.directory) was removed or replaced ("
            #expect(outcome.complaints.first?.contains(message) == true, "\(outcome.errors)")
            #expect(
                try FileManager.default.subpathsOfDirectory(atPath: run.directory) == ["checkpoints"])
        }
    }
}

import Foundation
import HDF5
import RunSupport
import Runs
import Supervision
import Synchronization
import System
import TestSupport
import Testing
import Training

/// `checkpoints/best` of runs that continue from an earlier checkpoint or cannot write one. Every test is collective.
@Suite(.serialized) struct SavingMPITests {
    /// A validation and a checkpoint every two steps, all of which are kept. Weights that learn get better.
    private func run(_ directory: String, steps: Int, learns: Bool = true, _ overrides: String...) throws -> RunOptions
    {
        try tinyRun(
            directory,
            [
                "training.steps=\(steps)", "training.validation_interval=2", "training.checkpoint_interval=2",
                "training.keep_last=99", "schedule={name: constant}", "optimizer.learning_rate=\(learns ? 5e-3 : 0)",
            ] + overrides)
    }

    private func best(of directory: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: directory + "/checkpoints/best")
    }

    /// The best checkpoint that a checkpoint records.
    private func recordedBest(_ directory: String, step: Int) throws -> Int? {
        let state = try File(opening: checkpoint(directory, step: step)).root.group("state")
        return state.hasAttribute("best_step") ? try state.intAttribute("best_step") : nil
    }

    /// Removes a checkpoint once all ranks have come here.
    private func remove(_ directory: String, step: Int) throws {
        try world.barrier()
        _ = try world.onRoot { try FileManager.default.removeItem(atPath: checkpoint(directory, step: step)) }
        try world.barrier()
    }

    /// Of a continuation of an earlier step that is never better, not of the steps after it.
    @Test func theBestIsThatOfThisContinuation() throws {
        try withSharedFolder { folder in
            let directory = folder + "/run"
            try train(run(directory, steps: 8))
            try #require(best(of: directory) == "step-00000008.h5")
            try world.barrier()
            let resume = "run.resume=\(checkpoint(directory, step: 4))"
            try train(run(directory, steps: 6, learns: false, resume))
            #expect(best(of: directory) == "step-00000004.h5")
            #expect(try recordedBest(directory, step: 6) == 4)
        }
    }

    /// Where the folder no longer has the best checkpoint, or another of its step, the best of the next ones is it.
    @Test(arguments: ["removed", "replaced"]) func aBestThatIsGoneIsNotNamed(kind: String) throws {
        try withSharedFolder { folder in
            let directory = folder + "/run"
            try train(run(directory, steps: 4))
            try train(run(directory, steps: 6, learns: false))
            try #require(best(of: directory) == "step-00000004.h5")
            try train(run(directory, steps: 8))
            try #require(best(of: directory) == "step-00000008.h5")
            if kind == "removed" {
                try remove(directory, step: 4)
            } else {
                // Another continuation, up to the step of the best.
                let other = "run.resume=\(checkpoint(directory, step: 2))"
                try train(run(directory, steps: 4, learns: false, other))
            }
            // Without a validation, no checkpoint can be the best.
            let resume = "run.resume=\(checkpoint(directory, step: 6))"
            try train(run(directory, steps: 7, learns: false, resume, "data.validation=[]"))
            #expect(best(of: directory) == nil)
            #expect(try recordedBest(directory, step: 7) == nil)
            try train(run(directory, steps: 8, learns: false))
            #expect(best(of: directory) == "step-00000008.h5")
            #expect(try recordedBest(directory, step: 8) == 8)
        }
    }

    /// Copying the folder may have turned the link into the only file of the best checkpoint.
    @Test func aBestThatIsAFileStays() throws {
        try withSharedFolder { folder in
            let directory = folder + "/run"
            try train(run(directory, steps: 4))
            try train(run(directory, steps: 6, learns: false))
            try world.barrier()
            let link = directory + "/checkpoints/best"
            _ = try world.onRoot {
                try FileManager.default.removeItem(atPath: link)
                try FileManager.default.moveItem(atPath: checkpoint(directory, step: 4), toPath: link)
            }
            try world.barrier()
            try train(run(directory, steps: 7, learns: false))
            #expect(try recordedBest(directory, step: 7) == 4)
            #expect(try File(opening: link).root.group("state").intAttribute("step") == 4)
        }
    }

    /// A start from an earlier checkpoint that was stopped goes on with the same command, also where old checkpoints
    /// are removed or the latest is damaged; another value of `run.resume` starts from that.
    @Test func aStoppedContinuationGoesOn() throws {
        try withSharedFolder { folder in
            func resume(_ step: Int, in directory: String) -> String {
                "run.resume=\(checkpoint(directory, step: step))"
            }
            for name in ["straight", "stopped"] { try train(run(folder + "/" + name, steps: 6)) }
            try train(run(folder + "/straight", steps: 10, resume(2, in: folder + "/straight")))

            let directory = folder + "/stopped"
            let options = try run(directory, steps: 10, resume(2, in: directory), "training.keep_last=2")
            for _ in 1...2 {
                var step = 0
                let outcome = try train(options) {
                    step += 1
                    return step == 4
                }
                #expect(outcome == .stopped)
            }
            #expect(FileManager.default.fileExists(atPath: checkpoint(directory, step: 2)))
            #expect(try File(opening: directory + "/checkpoints/latest").root.group("state").intAttribute("step") == 8)
            try world.barrier()
            if world.rank == 0 {
                try Data("damaged".utf8).write(to: URL(fileURLWithPath: checkpoint(directory, step: 8)))
            }
            try world.barrier()
            #expect(try train(options) == .finished)
            let log = try String(contentsOfFile: directory + "/kaon.log", encoding: .utf8)
            #expect(log.contains("warning: the run goes back to \(checkpoint(directory, step: 6))\n"), "\(log)")
            try expectSameRun(folder + "/straight", directory, step: 10)

            try train(run(directory, steps: 10, resume(8, in: directory)))
            let end = try String(contentsOfFile: directory + "/kaon.log", encoding: .utf8)
            #expect(end.contains("continuing from \(checkpoint(directory, step: 8)) at step 8\n"), "\(end)")
        }
    }

    /// Rows and events that a full disk has kept in memory are written with the last checkpoint.
    @Test func eventsAreWrittenBeforeAStop() throws {
        try withSharedFolder { folder in
            func events(_ directory: String) throws -> (path: String, size: Int) {
                let files = try FileManager.default.contentsOfDirectory(atPath: directory)
                let path = try directory + "/" + #require(files.first { $0.hasPrefix("events.") })
                return (path, try Data(contentsOf: URL(fileURLWithPath: path)).count)
            }
            func size(_ name: String, failing: Bool) throws -> Int {
                let directory = folder + "/" + name
                let options = try run(directory, steps: 9, "data.validation=[]", "training.checkpoint_interval=100")
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                var step = 0
                try train(options) {
                    step += 1
                    if failing, world.rank == 0 {
                        // In the third step, the event file cannot grow; the other files are shorter.
                        signal(SIGXFSZ, SIG_IGN)
                        var present = limit
                        if step == 3, let size = try? events(directory).size { present.rlim_cur = rlim_t(size) }
                        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &present)
                    }
                    return step == 4
                }
                let log = try String(contentsOfFile: directory + "/kaon.log", encoding: .utf8)
                #expect(log.contains("the rows will be written as soon as that is possible") == failing, "\(log)")
                #expect(try MetricsTable(directory).values("step") == [1, 2, 3])
                return try events(directory).size
            }
            let whole = try size("a", failing: false)
            #expect(try size("b", failing: true) == whole)
        }
    }

    /// A run that began in another folder has its best checkpoint in its own.
    @Test func aRunThatBeganElsewhereHasABestOfItsOwn() throws {
        try withSharedFolder { folder in
            try train(run(folder + "/start", steps: 4))
            let resume = "run.resume=\(checkpoint(folder + "/start", step: 4))"
            try train(run(folder + "/run", steps: 8, learns: false, resume))
            #expect(best(of: folder + "/run") == "step-00000006.h5")
            #expect(try recordedBest(folder + "/run", step: 8) == 6)
            #expect(best(of: folder + "/start") == "step-00000004.h5")
        }
    }

    /// A run in which nothing is learned, so that no loss is lower than the first, and the save of step 2 fails.
    private func withALostBest(
        _ body: (_ directory: String, _ run: (_ end: Int?) throws -> RunOutcome) throws -> Void
    ) throws {
        try withSharedFolder { folder in
            let directory = folder + "/run"
            let obstacle = checkpoint(directory, step: 2)
            try body(directory) { end in
                var step = 0
                return try train(
                    run(
                        directory, steps: 20, learns: false, "training.checkpoint_interval=1000",
                        "training.early_stopping_patience=3")
                ) {
                    step += 1
                    if world.rank == 0, step == 2 {
                        try? FileManager.default.createDirectory(atPath: obstacle, withIntermediateDirectories: false)
                    }
                    return step == end
                }
            }
        }
    }

    /// The next weights are saved instead, and the patience counts from them.
    @Test func afterALostBestTheNextIsSaved() throws {
        try withALostBest { directory, run in
            #expect(try run(nil) == .finished)
            #expect(try MetricsTable(directory).values("step").max() == 10)
            #expect(best(of: directory) == "step-00000004.h5")
            #expect(FileManager.default.fileExists(atPath: checkpoint(directory, step: 4)))
            let log = try String(contentsOfFile: directory + "/kaon.log", encoding: .utf8)
            #expect(
                log.contains(
                    "training continues, and the next attempt is at step 1000 or at the next validation; the weights "
                        + "of step 2, the best so far, are lost\n"), "\(log)")
        }
    }

    /// The same if the run stops before that validation.
    @Test func aLostBestIsNotTheMeasureOfALaterStart() throws {
        try withALostBest { directory, run in
            #expect(try run(4) == .stopped)
            #expect(best(of: directory) == nil)
            try world.barrier()
            if world.rank == 0 { try FileManager.default.removeItem(atPath: checkpoint(directory, step: 2)) }
            try world.barrier()
            #expect(try run(nil) == .finished)
            #expect(try MetricsTable(directory).values("step").max() == 10)
            #expect(best(of: directory) == "step-00000004.h5")
        }
    }

    /// A stop waits for the checkpoint that is being written: that is rank 0's writing for the watchdog, not a sum.
    @Test func theWaitForACheckpointIsWriting() throws {
        try withSharedFolder { folder in
            // The thread that looks may not run before the checkpoint, of 20 MB, is complete.
            for attempt in 1...5 {
                let directory = folder + "/run-\(attempt)"
                if try world.broadcast([hasWaitedForACheckpoint(directory) ? 1 : 0]) == [1] { return }
            }
            Issue.record("the progress was never that of writing while a checkpoint was being written")
        }
    }

    /// Stops a run after the step that starts its first checkpoint, and looks at the progress until that is complete.
    private func hasWaitedForACheckpoint(_ directory: String) throws -> Bool {
        let options = try run(
            directory, steps: 9, "training.batch_size=8", "data.validation=[]", "parallel.watchdog.enabled=false",
            "model.encoder={width: 192, layers: 3, heads: 2}")
        let watch = Watch(ProgressTracker(), until: checkpoint(directory, step: 2))
        var step = 0
        let context = RunContext(world, Console(isSilent: true), progress: watch.progress) {
            step += 1
            if step == 3 { watch.start() }
            return step == 3
        }
        #expect(try Training.train(options, in: context) == .stopped)
        try world.barrier()
        return watch.end()
    }

    /// A thread that looks whether the progress changes to that of writing before a file exists.
    private final class Watch: Sendable {
        let progress: ProgressTracker
        private let path: String
        private let hasSeen = Atomic<Bool>(false)
        private let task = BackgroundTask()

        init(_ progress: ProgressTracker, until path: String) { (self.progress, self.path) = (progress, path) }

        func start() {
            let before = progress.current
            task.start { [self] in
                while !FileManager.default.fileExists(atPath: path) {
                    let now = progress.current
                    guard now != before, now.activity == .saving else { continue }
                    // Not the last checkpoint of the run, which follows.
                    hasSeen.store(!FileManager.default.fileExists(atPath: path), ordering: .relaxed)
                    return
                }
            }
        }

        func end() -> Bool {
            task.finish()
            return hasSeen.load(ordering: .relaxed)
        }
    }
}

import Foundation
import HDF5
import RunSupport
import Runs
import TestSupport
import Testing
import Training

/// Every test is collective: all ranks run the same one at a time. They hold for any number of ranks; alone
/// they say little about the ranks, but all about resuming.
@Suite(.serialized) struct TrainingMPITests {
    /// 30 steps: an epoch of 28, whose last batch is a single jet that leaves all ranks but one empty, and
    /// two more.
    @Test func anyNumberOfRanksTrainsTheSameModel() throws {
        try withSharedFolder { folder in
            let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
            try train(tinyRun(shared))
            try train(tinyRun(alone), on: .selfOnly)
            #expect(try MetricsTable(shared).values("train/total_loss").count == 30)
            #expect(try MetricsTable(shared).values("jets") == MetricsTable(alone).values("jets"))
            #expect(try difference("train/total_loss", shared, alone) < 1e-4)
            #expect(try difference("valid/total_loss", shared, alone) < 1e-4)
            #expect(try difference("gradient_norm", shared, alone) < 1e-3)
            // The loss has moved by far more than that.
            let losses = try MetricsTable(alone).values("train/total_loss")
            #expect(losses[25] < 0.98 * losses[0])

            let first = try bits("model", of: checkpoint(shared, step: 30))
            let second = try bits("model", of: checkpoint(alone, step: 30))
            #expect(first.count == second.count && first.count > 40)
            for (name, values) in second {
                let pairs = zip(try #require(first[name]), values).map {
                    (Float(bitPattern: $0), Float(bitPattern: $1))
                }
                #expect(pairs.count == values.count && pairs.allSatisfy { abs($0 - $1) < 1e-3 }, "\(name)")
            }
            // The state fitted to the data is bit-identical.
            for group in ["state/preprocessing", "state/objective/tasks/kmeans"] {
                let fits = try [shared, alone].map { try bits(group, of: checkpoint($0, step: 30)) }
                #expect(!fits[0].isEmpty && fits[0] == fits[1])
            }
        }
    }

    /// Stops in the middle of an epoch, where nothing is due, where either alone is due, and at an epoch's
    /// short end.
    @Test(arguments: [(20, 7, 15), (20, 7, 10), (20, 10, 15), (28, 7, 9)])
    func aStoppedRunResumesExactly(stop: Int, logInterval: Int, validationInterval: Int) throws {
        try withSharedFolder { folder in
            let intervals = [
                "training.log_interval=\(logInterval)", "training.validation_interval=\(validationInterval)",
            ]
            func run(_ name: String, steps: Int) throws -> RunOptions {
                try tinyRun(folder + "/" + name, intervals[0], intervals[1], "training.steps=\(steps)")
            }
            try train(run("straight", steps: 40))
            try train(run("resumed", steps: stop))
            #expect(try MetricsTable(folder + "/resumed").values("step").last == Double(stop))
            try train(run("resumed", steps: 40))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 40)
        }
    }

    /// A kill leaves rows in the metrics that the checkpoint does not know of.
    @Test func aKilledRunResumesExactly() throws {
        try withSharedFolder { folder in
            func run(_ name: String, steps: Int) throws -> RunOptions {
                try tinyRun(
                    folder + "/" + name, "training.log_interval=3", "training.checkpoint_interval=10",
                    "training.steps=\(steps)")
            }
            try train(run("straight", steps: 24))
            try train(run("resumed", steps: 17))
            if world.rank == 0 {
                try FileManager.default.removeItem(atPath: checkpoint(folder + "/resumed", step: 17))
                try RunDirectory(folder + "/resumed").setLatest(step: 10)
            }
            try world.barrier()
            try train(run("resumed", steps: 24))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 24)
        }
    }

    /// Only one rank receives a signal; all stop together, and the resumed run is that without the stop.
    @Test func aSignalToOneRankStopsAll() throws {
        try withSharedFolder { folder in
            let intervals = ["training.log_interval=4", "training.validation_interval=5"]
            let straight = try tinyRun(folder + "/straight", intervals[0], intervals[1])
            let stopped = try tinyRun(folder + "/stopped", intervals[0], intervals[1])
            try train(straight)
            var asked = 0
            let outcome = try train(stopped) {
                asked += 1
                return world.rank == world.size - 1 && asked == 14
            }
            #expect(outcome == .stopped)
            #expect(asked == 14)
            #expect(FileManager.default.fileExists(atPath: checkpoint(folder + "/stopped", step: 13)))
            #expect(try MetricsTable(folder + "/stopped").values("step") == [4, 5, 8, 10, 12])
            #expect(try train(stopped) == .finished)
            try expectSameRun(folder + "/straight", folder + "/stopped", step: 30)
        }
    }

    @Test func aSignalBeforeTheFirstStepCostsNothing() throws {
        try withSharedFolder { folder in
            #expect(
                try train(tinyRun(folder + "/stopped", "training.steps=5"), shouldStop: { true }) == .stopped)
            #expect(try train(tinyRun(folder + "/stopped", "training.steps=5")) == .finished)
            try train(tinyRun(folder + "/straight", "training.steps=5"))
            try expectSameRun(folder + "/straight", folder + "/stopped", step: 5)
        }
    }

    /// Any groups of ranks that share memory train the same model, and resume each other's runs: on three ranks, groups
    /// of two have one rank without a place.
    @Test(arguments: [1, 2]) func groupsOfRanksTrainTheSameModel(ranksPerGroup: Int) throws {
        try withSharedFolder { folder in
            let groups = "parallel.ranks_per_group=\(ranksPerGroup)"
            try train(tinyRun(folder + "/host", "training.steps=12"))
            try train(tinyRun(folder + "/groups", groups, "training.steps=12"))
            #expect(try difference("train/total_loss", folder + "/groups", folder + "/host") < 1e-4)
            #expect(try difference("gradient_norm", folder + "/groups", folder + "/host") < 1e-3)

            try train(tinyRun(folder + "/resumed", groups, "training.steps=7"))
            try train(tinyRun(folder + "/resumed", groups, "training.steps=12"))
            try expectSameRun(folder + "/groups", folder + "/resumed", step: 12)

            try train(tinyRun(folder + "/mixed", groups, "training.steps=7"))
            try train(tinyRun(folder + "/mixed", "training.steps=12"))
            #expect(try difference("train/total_loss", folder + "/mixed", folder + "/host") < 1e-4)
        }
    }

    @Test func anotherNumberOfRanksGoesOnWithTheSameJets() throws {
        try withSharedFolder { folder in
            let start = folder + "/start"
            try train(tinyRun(start, "training.steps=15"))
            let path = checkpoint(start, step: 15)
            let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
            try train(tinyRun(shared, "run.resume=\(path)"))
            try train(tinyRun(alone, "run.resume=\(path)"), on: .selfOnly)
            // The last row is the validation at the end.
            #expect(try MetricsTable(alone).values("step") == (Array(16...30) + [30]).map(Double.init))
            #expect(try MetricsTable(alone).values("jets") == MetricsTable(shared).values("jets"))
            #expect(try difference("train/total_loss", shared, alone) < 1e-4)
            // The losses of single batches differ by more than that: other jets would show.
            let losses = try MetricsTable(alone).values("train/total_loss")
            #expect(zip(losses, losses.dropFirst()).allSatisfy { abs($0 - $1) > 1e-4 * $0 })
        }
    }

    /// The metrics of a run that began elsewhere count from its own beginning.
    @Test func aRunThatBeganElsewhereResumesExactly() throws {
        try withSharedFolder { folder in
            try train(tinyRun(folder + "/start", "training.steps=6"))
            let resume = "run.resume=" + checkpoint(folder + "/start", step: 6)
            try train(tinyRun(folder + "/straight", resume, "training.steps=14"))
            try train(tinyRun(folder + "/resumed", resume, "training.steps=9"))
            try train(tinyRun(folder + "/resumed", "training.steps=14"))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 14)
        }
    }

    /// An error in the data of one rank ends the run on all ranks, and the communicator remains usable.
    @Test(arguments: ["train", "validation"])
    func anErrorOfOneRankEndsAll(place: String) throws {
        try withSharedFolder { folder in
            let broken = folder + "/broken.h5"
            _ = try world.onRoot {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                try FileManager.default.copyItem(atPath: sample("val"), toPath: broken)
                let file = try File(opening: broken, .readWrite)
                let labels = try file.root.dataset("labels")
                try [Int64(10)].withUnsafeBufferPointer { try labels.write(rows: 990..<991, from: $0) }
                try file.close()
            }
            // The preprocessing is fitted to the other block of the file.
            let options = try tinyRun(
                folder + "/run", "data.\(place)=[\(broken)]", "preprocessing.jets=1", "~tasks.kmeans",
                "training.validation_jets=1000")
            let message = failure { try train(options) }
            #expect(
                message.contains("\(broken): /labels, row 990 is 10, but the file names 10 classes"),
                "\(message)")
            if place == "train" {
                let rank = world.size > 1 ? "rank [0-9], " : ""
                #expect(message.contains(try Regex("^\(rank)step [0-9]+ of epoch 0: ")))
            }
            #expect(try world.allGather(message) == Array(repeating: message, count: world.size))
            let log = try String(contentsOfFile: folder + "/run/metrics.csv", encoding: .utf8)
            #expect(log.hasPrefix("step,"))
        }
    }

    /// The rate breaks the model at the second step; no later step changes anything, and the last checkpoint is
    /// that of the first.
    @Test func lossesThatAreNotFiniteEndTheRun() throws {
        try withSharedFolder { folder in
            let options = try tinyRun(
                folder + "/run", "optimizer.learning_rate=1e30", "training.max_skipped_steps=4",
                "training.checkpoint_interval=1", "training.log_interval=2", "training.validation_interval=99")
            let message = failure { try train(options) }
            #expect(
                message.hasPrefix("step 7: the loss or the gradient is not finite (particle_id loss"), "\(message)")
            #expect(message.contains("training.max_skipped_steps allows 4 such steps in a row"), "\(message)")
            #expect(try world.allGather(message) == Array(repeating: message, count: world.size))
            try world.barrier()
            #expect(try MetricsTable(folder + "/run").values("step") == [2, 4, 6])
            #expect(try MetricsTable(folder + "/run").values("skipped_steps") == [0, 2, 2])
            #expect(try MetricsTable(folder + "/run").values("train/total_loss").count == 1)
            let kept = try FileManager.default.contentsOfDirectory(atPath: folder + "/run/checkpoints").sorted()
            #expect(kept == ["latest", "step-00000001.h5", "step-00000002.h5"])
        }
    }

    /// Damaged checkpoints are skipped with their metrics, as if the run had stopped before them.
    @Test(arguments: ["flip", "truncate", "remove"])
    func aDamagedCheckpointIsPassedOver(damage: String) throws {
        try withSharedFolder { folder in
            func run(_ name: String, steps: Int) throws -> RunOptions {
                try tinyRun(
                    folder + "/" + name, "training.log_interval=3", "training.checkpoint_interval=6",
                    "training.steps=\(steps)")
            }
            try train(run("straight", steps: 20))
            try train(run("resumed", steps: 14))
            let latest = checkpoint(folder + "/resumed", step: 14)
            if world.rank == 0 {
                var data = try Data(contentsOf: URL(fileURLWithPath: latest))
                data[data.count / 2] ^= 16
                try? FileManager.default.removeItem(atPath: latest)
                if damage == "truncate" { data.removeLast(data.count / 3) }
                if damage != "remove" { try data.write(to: URL(fileURLWithPath: latest)) }
            }
            try world.barrier()
            try train(run("resumed", steps: 20))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 20)
        }
    }

    @Test func aRunWhoseCheckpointsAreAllDamagedDoesNotBeginAnew() throws {
        try withSharedFolder { folder in
            let options = try tinyRun(folder + "/run", "training.steps=4", "training.checkpoint_interval=2")
            try train(options)
            if world.rank == 0 {
                for step in [2, 4] { truncate(checkpoint(folder + "/run", step: step), 100) }
            }
            try world.barrier()
            let message = failure { try train(options) }
            #expect(
                message.hasPrefix(
                    "each of the 2 checkpoints of \(folder)/run is damaged: HDF5 open "
                        + checkpoint(folder + "/run", step: 4) + ": "), "\(message)")
            #expect(
                message.hasSuffix("; restore a copy of one, or remove the folder to start the run from scratch"))
        }
    }

    @Test func theBestAndTheLastCheckpointsStay() throws {
        try withSharedFolder { folder in
            let options = try tinyRun(
                folder + "/run", "training.checkpoint_interval=2", "training.validation_interval=4",
                "training.keep_last=2", "training.keep_every=10", "training.steps=29", "optimizer.learning_rate=0.3")
            try train(options)
            let table = try MetricsTable(folder + "/run")
            let losses = try table.values("valid/total_loss")
            // Validations at 4, 8, …, 28 and the end.
            let steps = [4, 8, 12, 16, 20, 24, 28, 29]
            try #require(losses.count == steps.count)
            let best = steps[losses.firstIndex(of: losses.min()!)!]
            let kept = Set([10, 20, 28, 29, best]).sorted()
            let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/run/checkpoints").sorted()
            #expect(
                names == ["best", "latest"]
                    + kept.map { URL(fileURLWithPath: checkpoint("", step: $0)).lastPathComponent })
            let link = try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/run/checkpoints/best")
            #expect(link == URL(fileURLWithPath: checkpoint("", step: best)).lastPathComponent)
        }
    }

    @Test func moreRanksThanJetsInABatchAreRefused() throws {
        try withSharedFolder { folder in
            let options = try tinyRun(
                folder + "/run", "training.batch_size=\(world.size)", "training.steps=1")
            #expect(failure { try train(options) } == "")
            guard world.size > 1 else { return }
            let one = try tinyRun(folder + "/other", "training.batch_size=1")
            #expect(
                failure { try train(one) }
                    == "training.batch_size is 1, but each of the \(world.size) ranks needs a jet; "
                    + "raise it or start fewer ranks")
            #expect(!FileManager.default.fileExists(atPath: folder + "/other"))
        }
    }
}

import Foundation
import RunSupport
import Runs
import TestSupport
import Testing
import Training

/// The guarantees of a run hold with every optimizer. All ranks run the same test one at a time.
@Suite(.serialized) struct OptimizersMPITests {
    private static let optimizers = [
        "{name: lion, learning_rate: 0.0005, weight_decay: 0.1}", "{name: muon, learning_rate: 0.005}",
    ]

    /// In groups of any size, an update is that of one rank.
    @Test(arguments: optimizers, [nil, 1, 2] as [Int?])
    func anyNumberOfRanksTrainsTheSameModel(optimizer: String, ranksPerGroup: Int?) throws {
        try withSharedFolder { folder in
            let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
            let settings = ["optimizer=\(optimizer)", "schedule={name: constant}", "training.steps=12"]
            let groups = ranksPerGroup.map { ["parallel.ranks_per_group=\($0)"] } ?? []
            try train(tinyRun(shared, settings + groups))
            try train(tinyRun(alone, settings), on: .selfOnly)
            #expect(try difference("train/total_loss", shared, alone) < 1e-3)
            #expect(try difference("valid/total_loss", shared, alone) < 1e-3)
            #expect(try difference("gradient_norm", shared, alone) < 1e-2)
            // The loss has moved by far more than that.
            let losses = try MetricsTable(alone).values("train/total_loss")
            #expect(losses[11] < losses[0] - 0.015)
        }
    }

    @Test(arguments: optimizers) func aStoppedRunResumesExactly(optimizer: String) throws {
        try withSharedFolder { folder in
            func run(_ name: String, steps: Int) throws -> RunOptions {
                try tinyRun("\(folder)/\(name)", "optimizer=\(optimizer)", "training.steps=\(steps)")
            }
            try train(run("straight", steps: 12))
            try train(run("resumed", steps: 7))
            try train(run("resumed", steps: 12))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 12)
        }
    }

    /// A run goes on with the state that other ranks have written.
    @Test(arguments: optimizers) func anotherNumberOfRanksGoesOn(optimizer: String) throws {
        try withSharedFolder { folder in
            let settings = ["optimizer=\(optimizer)", "training.steps=12"]
            try train(tinyRun(folder + "/start", settings + ["training.steps=7"]))
            let resume = "run.resume=\(checkpoint(folder + "/start", step: 7))"
            let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
            try train(tinyRun(shared, settings + [resume]))
            try train(tinyRun(alone, settings + [resume]), on: .selfOnly)
            try train(tinyRun(folder + "/straight", settings))
            #expect(try difference("train/total_loss", shared, alone) < 1e-3)
            let losses = try [shared, folder + "/straight"].map { try MetricsTable($0).values("train/total_loss") }
            #expect(zip(losses[0], losses[1].dropFirst(7)).allSatisfy { abs($0 - $1) < 1e-3 * $1 })
        }
    }
}

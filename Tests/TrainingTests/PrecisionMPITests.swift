import RunSupport
import Runs
import Tensors
import TestSupport
import Testing
import Training

extension TrainingMPITests {
    /// The promises hold for products of bfloat16 numbers; every test is collective.
    @Suite(.serialized, .enabled(if: Precision.hasBFloat16)) struct PrecisionMPITests {
        private func narrowRun(_ directory: String, _ overrides: String...) throws -> RunOptions {
            try tinyRun(directory, ["parallel.precision=bf16"] + overrides)
        }

        /// Other micro-batches meet on other numbers of ranks, and a sum that is rounded to eight bits may fall on the
        /// other side: 2⁻⁸ of single values, far less of a loss.
        @Test(arguments: ["fp32", "bf16"])
        func anyNumberOfRanksTrainsTheSameModel(reducePrecision: String) throws {
            try withSharedFolder { folder in
                let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
                try train(narrowRun(shared, "parallel.reduce_precision=\(reducePrecision)"))
                try train(narrowRun(alone), on: .selfOnly)
                #expect(try MetricsTable(shared).values("jets") == MetricsTable(alone).values("jets"))
                #expect(try difference("train/total_loss", shared, alone) < 2e-3)
                #expect(try difference("valid/total_loss", shared, alone) < 2e-3)
                let losses = try MetricsTable(alone).values("train/total_loss")
                #expect(losses[25] < 0.98 * losses[0])
            }
        }

        @Test(arguments: ["fp32", "bf16"]) func aStoppedRunResumesExactly(reducePrecision: String) throws {
            try withSharedFolder { folder in
                func run(_ name: String, steps: Int) throws -> RunOptions {
                    try narrowRun(
                        folder + "/" + name, "training.steps=\(steps)", "training.validation_interval=7",
                        "parallel.reduce_precision=\(reducePrecision)")
                }
                try train(run("straight", steps: 24))
                try train(run("resumed", steps: 13))
                try train(run("resumed", steps: 24))
                try expectSameRun(folder + "/straight", folder + "/resumed", step: 24)
            }
        }

        @Test(.enabled(if: 4 % world.size == 0)) func aDeterministicRunHasTheSameBitsOnAnyNumberOfRanks() throws {
            try withSharedFolder { folder in
                let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
                let settings = ["parallel.deterministic=true", "training.steps=12"]
                try train(narrowRun(shared, settings[0], settings[1]))
                try train(narrowRun(alone, settings[0], settings[1]), on: .selfOnly)
                let weights = try [shared, alone].map { try bits("model", of: checkpoint($0, step: 12)) }
                #expect(weights[0].count > 40 && weights[0] == weights[1])
                #expect(
                    try MetricsTable(shared).values("train/total_loss")
                        == MetricsTable(alone).values("train/total_loss"))
            }
        }

        /// A run may change its precision on the way, and the losses of both are near each other: the weights of a
        /// checkpoint are of single precision in either.
        @Test func checkpointsServeEitherPrecision() throws {
            try withSharedFolder { folder in
                let names = ["fp32", "bf16"]
                for (first, second) in [(0, 1), (1, 0)] {
                    let path = folder + "/" + names[first]
                    func run(_ precision: String, steps: Int) throws {
                        try train(
                            tinyRun(path, "parallel.precision=\(precision)", "training.steps=\(steps)"))
                    }
                    try run(names[first], steps: 15)
                    try run(names[second], steps: 30)
                }
                let losses = try names.map { try MetricsTable(folder + "/" + $0).values("train/total_loss") }
                #expect(losses[0].count == 30 && losses[0] != losses[1])
                #expect(try difference("train/total_loss", folder + "/fp32", folder + "/bf16") < 0.01)
                #expect(try difference("valid/total_loss", folder + "/fp32", folder + "/bf16") < 0.01)
            }
        }
    }
}

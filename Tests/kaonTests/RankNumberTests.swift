import Foundation
import Testing

/// The same run on one, two, three and four ranks.
@Suite(.serialized) struct RankNumberTests {
    /// An epoch of 28 batches, whose last is a single jet: three of the four shards are empty then.
    private let short = [
        "training.batch_size=37", "training.log_interval=1", "training.validation_interval=20",
        "training.checkpoint_interval=1000", "optimizer.learning_rate=5e-3", "training.steps=30",
    ]

    @Test func aDeterministicRunIsTheSameToTheBit() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            var found: [(files: [String: Data], metrics: [String: [Double]])] = []
            for ranks in [1, 2, 4] {
                let outcome = try kaon(run.arguments(short + ["parallel.deterministic=true"]), ranks: ranks)
                #expect(outcome.code == 0, "\(outcome.errors)")
                found.append((try run.contents(), try metrics(run.directory)))
                try FileManager.default.removeItem(atPath: run.directory)
            }
            #expect(found[0].metrics["train/total_loss"]?.count == 30)
            let checkpoint = "checkpoints/step-00000030.h5"
            for other in found.dropFirst() {
                #expect(other.metrics == found[0].metrics)
                #expect(found[0].files[checkpoint] != nil)
                #expect(other.files[checkpoint] == found[0].files[checkpoint])
            }
            let three = try kaon(run.arguments(short + ["parallel.deterministic=true"]), ranks: 3)
            #expect(
                three.complaints == [
                    "Error: parallel.deterministic: 3 ranks cannot share 4 virtual shards evenly; start a number "
                        + "of ranks that divides parallel.virtual_shards"
                ])
        }
    }

    /// Saved on four ranks in the middle of an epoch, continued on others until into the next.
    @Test func aRunGoesOnWithAnotherNumberOfRanks() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            func train(_ name: String, ranks: Int, _ overrides: [String]) throws -> [String: [Double]] {
                let directory = "run.directory=\(folder)/\(name)"
                let outcome = try kaon(run.arguments(short + [directory] + overrides), ranks: ranks)
                #expect(outcome.code == 0, "\(outcome.errors)")
                return try metrics("\(folder)/\(name)")
            }
            let straight = try train("straight", ranks: 4, [])
            _ = try train("start", ranks: 4, ["training.steps=12"])
            let losses = try #require(straight["train/total_loss"]).dropFirst(12)
            #expect(losses.count == 18)
            for ranks in [1, 2, 3] {
                let resume = "run.resume=\(folder)/start/checkpoints/step-00000012.h5"
                let resumed = try train("on-\(ranks)", ranks: ranks, [resume])
                #expect(try #require(straight["jets"]).suffix(19) == resumed["jets"]![...])
                let pairs = Array(zip(losses, try #require(resumed["train/total_loss"])))
                #expect(pairs.count == 18 && pairs.allSatisfy { abs($0 - $1) < 1e-4 * $0 })
                // Other jets would show: the losses of single batches differ by more than that.
                #expect(zip(losses, losses.dropFirst()).allSatisfy { abs($0 - $1) > 2e-4 * $0 })
            }
        }
    }
}

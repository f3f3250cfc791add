import Foundation
import Testing

/// The keys that help to find a fault.
@Suite(.serialized) struct DebuggingTests {
    @Test func aFewBatchesAreLearnedByHeart() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let settings = [
                "training.overfit_batches=2", "training.log_interval=2", "optimizer.learning_rate=1e-2",
                "schedule.warmup_steps=0",
            ]
            // The run resumes where it stopped, with the same two batches.
            for steps in [31, 60] {
                let outcome = try kaon(run.arguments(settings + ["training.steps=\(steps)"]))
                #expect(outcome.code == 0, "\(outcome.errors)")
            }
            let text = try String(contentsOfFile: run.directory + "/metrics.csv", encoding: .utf8)
            let rows = text.split(separator: "\n").dropFirst().map {
                $0.split(separator: ",", omittingEmptySubsequences: false)
            }
            #expect(rows.allSatisfy { $0[1] == "0" })
            let losses = rows.compactMap { Double($0[3]) }
            #expect(losses.count == 30)
            #expect(losses[29] < 0.92 * losses[0], "\(losses)")
        }
    }

    @Test(arguments: [nil, 2])
    func theFirstValueThatIsNotFiniteIsNamed(ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(
                run.arguments([
                    "optimizer.learning_rate=1e30", "schedule.name=constant", "~schedule.warmup_steps",
                    "~schedule.half_life", "training.detect_anomaly=true",
                ]), ranks: ranks)
            #expect(outcome.code == 1)
            #expect(outcome.complaints.count == 1)
            let sentence =
                #/Error: rank 0, step 2: the forward pass of .+ \(.*coder\..*\) gave a value that is not finite.*/#
            #expect(outcome.complaints.first?.wholeMatch(of: sentence) != nil, "\(outcome.errors)")
        }
    }

    @Test func lookingForAnomaliesChangesNothing() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            _ = try kaon(run.arguments())
            let usual = try Data(contentsOf: URL(fileURLWithPath: run.directory + "/metrics.csv"))
            try FileManager.default.removeItem(atPath: run.directory)
            let outcome = try kaon(run.arguments(["training.detect_anomaly=true"]))
            #expect(outcome.code == 0, "\(outcome.errors)")
            let watched = try Data(contentsOf: URL(fileURLWithPath: run.directory + "/metrics.csv"))
            func losses(_ data: Data) -> [[Substring]] {
                String(decoding: data, as: UTF8.self).split(separator: "\n").map {
                    $0.split(separator: ",", omittingEmptySubsequences: false).dropLast(2)
                }
            }
            #expect(losses(usual) == losses(watched))
        }
    }

    @Test func everyRankMayHaveItsLog() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(["run.log_ranks=all"]), ranks: 3)
            #expect(outcome.code == 0, "\(outcome.errors)")
            for rank in [1, 2] {
                let log = try String(contentsOfFile: run.directory + "/kaon.rank-\(rank).log", encoding: .utf8)
                #expect(log.contains(" info: rank \(rank) of 3: process "))
                #expect(log.contains(" info: step 6"))
                #expect(!outcome.output.contains("rank \(rank) of 3"))
            }
            #expect(!FileManager.default.fileExists(atPath: run.directory + "/kaon.rank-0.log"))
        }
    }

    @Test func aRankWaitsForADebugger() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let process = try KaonProcess(run.arguments(["run.wait_for_debugger=0"]))
            try process.wait("the wait for a debugger") { process.errors.contains("waits for a debugger") }
            usleep(200_000)
            #expect(!FileManager.default.fileExists(atPath: run.directory))
            process.send(SIGCONT)
            let outcome = try process.outcome()
            #expect(outcome.code == 0)
            #expect(
                outcome.complaints.count == 1
                    && outcome.complaints[0].hasPrefix(
                        "rank 0 waits for a debugger: process \(process.identifier) on "),
                "\(outcome.errors)")
            let nobody = try kaon(run.arguments(["run.wait_for_debugger=2"]), ranks: 2)
            #expect(nobody.complaints == ["Error: run.wait_for_debugger is 2, but the run has 2 ranks, counted from 0"])
        }
    }

    /// Gradients that leave late are the same gradients, and so are losses and norms.
    @Test func overlapChangesNothing() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            var losses: [[String]] = []
            for overlap in [true, false] {
                let directory = "run.directory=\(folder)/\(overlap)"
                let outcome = try kaon(
                    run.arguments([directory, "parallel.overlap=\(overlap)"]), ranks: 2)
                #expect(outcome.code == 0, "\(outcome.errors)")
                let text = try String(contentsOfFile: "\(folder)/\(overlap)/metrics.csv", encoding: .utf8)
                // Without the speed and the wait for data.
                losses.append(
                    text.split(separator: "\n").map {
                        $0.split(separator: ",", omittingEmptySubsequences: false).dropLast(2).joined(separator: ",")
                    })
            }
            #expect(losses[0] == losses[1] && losses[0].count > 2)
        }
    }
}

import Foundation
import Testing

/// `--dry-run`: what a run would do, without a trace of it.
@Suite(.serialized) struct DryRunTests {
    @Test(arguments: [nil, 2]) func theRunIsToldAndNotBegun(ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(["--dry-run", "training.steps=100"]), ranks: ranks)
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: run.directory))
            let text = outcome.output
            #expect(text.contains("\n  steps: 100\n"))
            #expect(text.contains("steps per epoch      50\n"))
            #expect(text.contains("total steps          100, 2.0 epochs\n"))
            let parts = try #require(
                text.firstMatch(of: /part of the model +parameters\n((?:\S+ +\d+\n)+)all +(\d+)\n/))
            let counts = parts.1.split(separator: "\n").map { Int($0.split(separator: " ")[1])! }
            #expect(counts.reduce(0, +) == Int(parts.2)!)
            #expect(text.contains("model: mpm_v2, \(parts.2) parameters"))
        }
    }

    /// The estimate is near the memory that the run then takes.
    @Test func theMemoryIsThatOfTheRun() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let wider = [
                "model.encoder.width=64", "model.decoder.width=64", "training.batch_size=200",
                "training.micro_batch_size=100",
            ]
            let dryRun = try kaon(run.arguments(wider + ["--dry-run"]))
            let estimate = try #require(dryRun.output.firstMatch(of: /\nall +([0-9.]+) MB\n/).flatMap { Double($0.1) })
            let watch = #"""
                "$0" "$@" & peak=0
                while kill -0 $! 2>/dev/null; do
                    now=$(grep -s VmHWM /proc/$!/status | tr -dc 0-9); peak=${now:-$peak}; sleep 0.01
                done
                echo "peak $peak kB"
                """#
            let outcome = try kaon(run.arguments(wider), wrapper: ["bash", "-c", watch])
            let kilobytes = outcome.output.firstMatch(of: /peak (\d+) kB/).flatMap { Double($0.1) }
            let peak = try #require(kilobytes) * 1024 / 1e6
            #expect(abs(estimate - peak) < 0.25 * peak, "estimated \(estimate) MB, taken \(peak) MB")
        }
    }

    @Test func whatARunCouldNotReadIsAnError() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(["--dry-run", "data.train=[\(folder)/none.h5]"]))
            #expect(outcome.code == 1 && outcome.complaints.count == 1, "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: run.directory))
        }
    }
}

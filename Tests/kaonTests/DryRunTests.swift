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

    /// A batch cannot be larger than the data; the run and the dry run state the jets that a step has.
    @Test func aBatchHasAtMostTheJetsOfTheData() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            for (overrides, jets) in [(["training.batch_size=100000"], 1000), (["data.jets=10"], 10)] {
                let size = jets == 10 ? 20 : 100_000
                let warning =
                    "warning: training.batch_size is \(size), but data.train has only \(jets) jets, all of which are "
                    + "in every step\n"
                for extra in [["--dry-run"], ["run.directory=\(folder)/\(jets)"]] {
                    let outcome = try kaon(run.arguments(overrides + ["training.steps=1"] + extra))
                    #expect(outcome.code == 0, "\(outcome.errors)")
                    #expect(outcome.output.contains(warning), "\(outcome.output)")
                    #expect(outcome.output.contains(", 1 steps of \(jets) jets\n"), "\(outcome.output)")
                }
            }
            let all = try kaon(run.arguments(["training.batch_size=1000", "--dry-run"]))
            #expect(!all.output.contains("training.batch_size is"), "\(all.output)")
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

    /// The files that a run needs later are read at its start and in a dry run: both refuse with the same sentence, on
    /// any number of ranks, before the fits, and leave the folder as it was.
    @Test func whatIsNeededLaterIsCheckedAtTheStart() throws {
        try withScratchFolder { folder in
            let backbone = try TinyRun(in: folder + "/backbone")
            #expect(try kaon(backbone.arguments(["training.steps=2"])).code == 0)
            let run = try TinyRun(in: folder)
            let (file, damaged) = (folder + "/file", folder + "/damaged.h5")
            let checkpoint = try Data(contentsOf: URL(fileURLWithPath: backbone.latest))
            try checkpoint.prefix(checkpoint.count / 2).write(to: URL(fileURLWithPath: damaged))
            try "".write(toFile: file, atomically: true, encoding: .utf8)
            try FileManager.default.createDirectory(atPath: folder + "/odd", withIntermediateDirectories: true)
            try "".write(toFile: folder + "/odd/evaluation", atomically: true, encoding: .utf8)
            let latest = backbone.directory + "/checkpoints/step-00000002.h5"
            let tuned = ["finetune", folder + "/tiny.yaml", "~tasks", "~model", "backbone_mode=fine_tuned"]
            let cases: [(arguments: [String], words: String)] = [
                (
                    run.arguments("classification", ["data.test=[\(folder)/none.h5]"]),
                    "HDF5 open \(folder)/none.h5: no such"
                ),
                (
                    run.arguments(
                        "track_origin",
                        [
                            "data.train=[\(sample("btag"))]", "data.validation=[]", "data.test=[\(sample("test"))]",
                        ]), "\(sample("test")) has no dataset 'track_type'"
                ),
                (
                    run.arguments("regression", ["regression.target=jets/energy"]),
                    "/jets in \(sample("val")) has no column 'energy'; its columns are pt, eta, phi, sdmass, num_csts"
                ),
                (
                    run.arguments("regression", ["regression.relative_to=true_pt"]),
                    "\(sample("val")) has no dataset 'true_pt' with a number for each jet"
                ),
                (
                    run.arguments(["data.test=[\(folder)/none.h5]", "run.evaluate=latest"]),
                    "HDF5 open \(folder)/none.h5"
                ),
                (tuned + ["objective=classification", "backbone=\(damaged)"], "\(damaged)"),
                (
                    run.arguments(["model.initial_weights=\(latest)", "model.encoder.width=8"]),
                    "\(latest) is a checkpoint of another model: "
                ),
                (
                    run.arguments(["run.directory=\(file)/run"]),
                    "cannot create the run directory \(file)/run: Not a directory"
                ),
                (
                    run.arguments(["run.directory=\(folder)/odd"]),
                    "cannot create the run directory \(folder)/odd: Not a"
                ),
                (
                    run.arguments(["run.directory=\(folder)/" + String(repeating: "x", count: 256)]),
                    "xxx: File name too long"
                ),
                (
                    backbone.arguments(["run.resume=never"]),
                    "run.resume is never, but \(backbone.directory) already holds"
                ),
                (backbone.arguments(["training.batch_size=50"]), "\(latest) was trained on batches of 20 of"),
                (backbone.arguments(["model.encoder.width=8"]), "\(latest) is a checkpoint of another model: "),
            ]
            let before = try backbone.contents()
            for (arguments, words) in cases {
                let started = try kaon(arguments)
                let rehearsed = try kaon(arguments + ["--dry-run"])
                let shared = try kaon(arguments + ["--dry-run"], ranks: 2)
                for outcome in [started, rehearsed, shared] {
                    #expect(outcome.code == 1, "\(words): \(outcome.output)")
                    #expect(
                        outcome.complaints == started.complaints && outcome.complaints.count == 1, "\(outcome.errors)")
                    #expect(outcome.errors.contains(words), "\(outcome.errors)")
                    #expect(!outcome.output.contains("fitting"))
                }
            }
            #expect(try backbone.contents() == before)
        }
    }
}

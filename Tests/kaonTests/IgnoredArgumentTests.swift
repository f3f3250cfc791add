import Foundation
import Testing

/// Nothing that is given on a command line is ignored: it has an effect or is refused.
@Suite(.serialized) struct IgnoredArgumentTests {
    @Test func keysWithoutEffectAreRefused() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments()).code == 0)
            let (test, output) = ("data.test=[\(sample("test"))]", folder + "/output")
            let commands = [
                ("kaon evaluate", ["evaluate", run.latest, "--output", output]),
                ("kaon encode", ["encode", run.latest, "--output", output]),
                (
                    "kaon generate --reconstruct",
                    ["generate", "--reconstruct", run.latest, "--jets", "2", "--output", output]
                ),
            ]
            for (name, arguments) in commands {
                for override in [
                    "data.jets=100", "training.steps=3", "data.train=[x.h5]", "~data.validation",
                    "+optimizer.beta1=0.5",
                    "model.encoder.width=8", "preprocessing.quantiles=7", "run={directory: x}",
                ] {
                    let key = try #require(override.firstMatch(of: /[~+]?([a-z_.0-9]+)/)).1
                    let outcome = try kaon(arguments + [test, override])
                    #expect(outcome.code == 1 && outcome.complaints.count == 1, "\(outcome.errors)")
                    #expect(
                        outcome.errors.contains("\(key) selects training jets; ")
                            || outcome.errors.contains(
                                "\(key == "run" ? "run.directory" : key) has no effect on \(name): "),
                        "\(outcome.errors)")
                }
                #expect(
                    try kaon(arguments + [test, "data.tset=x"]).errors.contains("unknown key; did you mean 'test'?"))
                #expect(!FileManager.default.fileExists(atPath: output))
            }
        }
    }

    /// Early stopping without a validation would never come.
    @Test func patienceNeedsAValidation() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let patience = ["training.early_stopping_patience=2", "--dry-run"]
            let warning =
                "warning: training.early_stopping_patience has no effect without validation jets: give "
                + "data.validation, or leave the key out\n"
            #expect(try kaon(run.arguments(["data.validation=[]"] + patience)).output.contains(warning))
            #expect(try !kaon(run.arguments(patience)).output.contains("early_stopping_patience has no effect"))
        }
    }

    /// The number of constituents is part of some models, but not of their backbones.
    @Test func aNumberOfConstituentsThatShapesTheModelIsRefused() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments(["training.steps=1"])).code == 0)
            let (test, few) = ("data.test=[\(sample("test"))]", "data.max_constituents=20")
            func refusal(_ part: String, of checkpoint: String) -> [String] {
                [
                    "Error: data.max_constituents is 20, but \(checkpoint) has \(part) of up to 128 constituents: "
                        + "leave the key out"
                ]
            }
            for ranks in [nil, 2] {
                let refused = try kaon(["evaluate", run.latest, test, few], ranks: ranks)
                #expect(refused.code == 1 && refused.complaints == refusal("null tokens", of: run.latest))
            }
            let output = ["--output", folder + "/out.h5", "--force"]
            let reconstructed = try kaon(["generate", "--reconstruct", run.latest, test, few, "--jets", "2"] + output)
            #expect(reconstructed.complaints == refusal("null tokens", of: run.latest))
            #expect(try kaon(["encode", run.latest, test, few] + output).code == 0)
            #expect(try kaon(["evaluate", run.latest, test, "data.max_constituents=128"]).code == 0)

            let flow = try TinyRun(in: folder + "/flow")
            let overrides = ["objective=set_flow", "~tasks", "~model.decoder.layer_scale", "training.steps=1"]
            #expect(try kaon(flow.arguments(overrides)).code == 0)
            let generated = try kaon(["generate", flow.latest, few, "--jets", "2"] + output)
            #expect(generated.complaints == refusal("a distribution of the number", of: flow.latest))
        }
    }

    /// Keys that are permitted change the result.
    @Test func keysWithAnEffectAreHonoured() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments()).code == 0)
            func evaluate(_ override: String) throws -> String {
                let outcome = try kaon(
                    [
                        "evaluate", run.latest, "data.test=[\(sample("test"))]", override, "--output", folder + "/e",
                        "--force",
                    ])
                #expect(outcome.code == 0, "\(outcome.errors)")
                return outcome.output
            }
            #expect(
                try evaluate("data.classes=[QCD]").contains("mpm_v2 on 100 jets\ndata.test: 900 jets of other classes"))
            let plain = try evaluate("parallel.threads=1")
            #expect(plain.contains("mpm_v2 on 1000 jets"))
            for override in ["masking.fraction=0.2", "seed=3"] {
                #expect(
                    try evaluate(override).split(separator: "\n").suffix(2) != plain.split(separator: "\n").suffix(2))
            }
        }
    }

    @Test(arguments: [
        (["generate", "x", "--jets", "1", "--output", "y", "--fraction", "0.2"], "--fraction is for --reconstruct"),
        (
            ["generate", "x", "--jets", "1", "--output", "y", "--tolerance", "0.2"],
            "--tolerance is for --solver adaptive"
        ),
        (["bench", "--data", "x.yaml", "--json", "y"], "--json is for training steps"),
        (["bench", "--data", "x.yaml", "--scaling"], "--scaling is for training steps"),
        (["bench", "--scaling", "--profile"], "--profile is for steps of one size"),
        (["bench", "--data", "x.yaml", "--profile"], "--profile is for training steps"),
    ])
    func optionsWithoutEffectAreRefused(arguments: [String], words: String) throws {
        let outcome = try kaon(arguments)
        #expect(outcome.code == 64 && outcome.errors.contains(words), "\(outcome.errors)")
    }

    /// Commands without MPI print once under mpirun.
    @Test func commandsWithoutRanksRunOnce() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments(["training.steps=1"])).code == 0)
            for arguments in [
                ["inspect", sample("val")], ["inspect", "--json", sample("val")], ["inspect", run.latest],
                ["compare", run.directory, run.directory, "--no-curves"], ["reference"],
            ] {
                let (alone, shared) = (try kaon(arguments), try kaon(arguments, ranks: 2))
                #expect(shared.code == 0 && shared.output == alone.output)
            }
            let written = try kaon(["init", folder + "/new"], ranks: 2)
            #expect(written.code == 0 && written.output == "written: \(folder)/new.yaml\n", "\(written.errors)")
        }
    }

    @Test func anOldSlurmEnvironmentIsIgnored() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(), wrapper: ["env", "SLURM_JOB_END_TIME=1700000000"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(
                outcome.output.contains(
                    "warning: SLURM_JOB_END_TIME is in the past (2023-11-14T22:13:20Z): it is that of another job, and "
                        + "ignored; run.time_limit sets a limit\n"))
            let soon = "SLURM_JOB_END_TIME=\(Int(Date().timeIntervalSince1970) + 20)"
            let stopped = try kaon(run.arguments(["training.steps=100000"]), wrapper: ["env", soon])
            #expect(stopped.code == 75 && stopped.output.contains("stopped by the end of the Slurm job"))
        }
    }
}

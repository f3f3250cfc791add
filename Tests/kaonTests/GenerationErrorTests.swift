import Foundation
import Testing

/// Models that cannot encode or generate: one message with the remedy.
@Suite(.serialized) struct GenerationErrorTests {
    /// Trains for a few steps and hands the folder and the latest checkpoint to `body`.
    private func withRun(_ overrides: [String], _ body: (String, String) throws -> Void) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(overrides + ["training.steps=2"]))
            try #require(outcome.code == 0, "\(outcome.errors)")
            try body(folder, run.latest)
        }
    }

    private func expectComplaint(_ arguments: [String], _ words: String...) throws {
        for ranks in [nil, 2] {
            let outcome = try kaon(arguments, ranks: ranks)
            #expect(outcome.code == 1)
            #expect(outcome.complaints.count == 1, "\(outcome.errors)")
            for word in words { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
        }
    }

    private let test = "data.test=[\(sample("test"))]"

    @Test func maskedParticlesMakeNoWholeJets() throws {
        try withRun([]) { folder, checkpoint in
            let output = folder + "/out.h5"
            try expectComplaint(
                ["generate", checkpoint, "--jets", "3", "--output", output], "mpm_v2", "does not generate whole jets",
                "--reconstruct")
            try expectComplaint(
                ["generate", "--reconstruct", checkpoint, "--jets", "3", "--output", output],
                "data.test=[test.h5]")
            try expectComplaint(["encode", checkpoint, "--output", output], "data.test=[test.h5]")
            #expect(try kaon(["encode", checkpoint, test, "--output", folder + "/nowhere/out.h5"]).code == 0)
            #expect(try kaon(["export", checkpoint, "--output", folder + "/new/a.safetensors"]).code == 0)
            try expectComplaint(
                ["export", folder + "/none.h5", "--output", folder + "/new/a.safetensors"], "none.h5: no such file")
            try expectComplaint(
                ["encode", checkpoint, test, "--output", folder, "--force"], "\(folder) is a folder; give the name")
            #expect(!FileManager.default.fileExists(atPath: output))
            try "mine".write(toFile: output, atomically: true, encoding: .utf8)
            try expectComplaint(["encode", checkpoint, test, "--output", output], "--force")
            #expect(try String(contentsOfFile: output, encoding: .utf8) == "mine")
            #expect(try kaon(["encode", checkpoint, test, "--output", output, "--force"]).code == 0)
        }
    }

    /// --force replaces files alone.
    @Test func devicesAndPipesAreNotReplaced() throws {
        try withRun([]) { folder, checkpoint in
            let pipe = folder + "/pipe"
            #expect(mkfifo(pipe, 0o600) == 0)
            for output in [pipe, "/dev/null"] {
                try expectComplaint(
                    ["encode", checkpoint, test, "--output", output, "--force"], "\(output) is a device or a pipe")
            }
            var status = stat()
            #expect(stat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
        }
    }

    /// --force does not replace what the command reads, by whatever name.
    @Test func inputsAreNotReplaced() throws {
        try withRun([]) { folder, checkpoint in
            let (jets, link) = (folder + "/jets.h5", folder + "/link.h5")
            try FileManager.default.copyItem(atPath: sample("test"), toPath: jets)
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: jets)
            let files = [jets, URL(fileURLWithPath: checkpoint).resolvingSymlinksInPath().path]
            let before = try files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
            for (data, output) in [(jets, link), (link, jets), (jets, checkpoint)] {
                let arguments = [checkpoint, "data.test=[\(data)]", "--output", output, "--force"]
                try expectComplaint(["encode"] + arguments, "\(output) is the file", "choose another name")
                try expectComplaint(
                    ["generate", "--reconstruct", "--jets", "3"] + arguments, "\(output) is the file",
                    "choose another name")
            }
            // A folder with an earlier output in it.
            for source in [jets, folder] {
                try expectComplaint(["pack", source, "--output", jets, "--force"], "\(jets) is the file \(jets)")
            }
            #expect(try files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) } == before)
        }
    }

    @Test func numbersOfJetsAreKept() throws {
        try withRun([]) { folder, checkpoint in
            let output = folder + "/out.h5"
            try expectComplaint(
                ["encode", checkpoint, test, "data.jets=100", "--output", output],
                "data.jets selects training jets; kaon encode writes all jets of data.test: leave the key out")
            try expectComplaint(
                ["generate", "--reconstruct", checkpoint, test, "--jets", "100000", "--output", output],
                "--jets is 100000, but data.test has only 1000 jets")
            #expect(!FileManager.default.fileExists(atPath: output))
        }
    }

    @Test func identitiesAloneAreNoJets() throws {
        try withRun(["~tasks.kmeans"]) { folder, checkpoint in
            try expectComplaint(
                [
                    "generate", "--reconstruct", checkpoint, test, "--jets", "3", "--output",
                    folder + "/out.h5",
                ],
                "reconstructs features", "particle_id")
        }
    }

    @Test func aVQVAEHasNoBackbone() throws {
        let overrides = [
            "objective=vqvae", "~tasks", "~model",
            "model.encoder={width: 16, layers: 1, heads: 2, hidden: 16}",
            "model.decoder={width: 16, layers: 1, heads: 2, hidden: 16}",
            "model.quantiser={codes: 8, dimension: 4}", "preprocessing={jets: 2000}",
        ]
        try withRun(overrides) { folder, checkpoint in
            let output = folder + "/out.h5"
            try expectComplaint(["encode", checkpoint, test, "--output", output], "vqvae", "no backbone")
            try expectComplaint(
                ["generate", "--reconstruct", checkpoint, test, "--jets", "3", "--output", output], "vqvae")
        }
    }

    /// Generated jets are an ordinary file; more constituents than the model supports are rejected.
    @Test func generatedJetsAreInspected() throws {
        let overrides = ["objective=set_flow", "~tasks", "~model.decoder.layer_scale"]
        try withRun(overrides) { folder, checkpoint in
            let output = folder + "/out.h5"
            try expectComplaint(
                ["generate", checkpoint, "--jets", "3", "--constituents", "500", "--output", output],
                "--constituents is 500", "at most 128")
            #expect(
                try kaon(["generate", checkpoint, "--jets", "30", "--steps", "2", "--output", output]).code
                    == 0)
            let inspection = try kaon(["inspect", output])
            #expect(inspection.code == 0 && inspection.output.contains("30"), "\(inspection.errors)")
            #expect(inspection.output.contains("generated") && inspection.output.contains("packed layout"))
            #expect(inspection.output.contains("\ngenerated by \(checkpoint)\n"))
        }
    }

    /// Options without effect on a model are refused, the others work.
    @Test func optionsOfTokensAndFlowsAreApart() throws {
        try withRun(Self.nextToken) { folder, checkpoint in
            let arguments = ["generate", checkpoint, "--jets", "12", "--output", folder + "/out.h5"]
            try expectComplaint(
                arguments + ["--steps", "2"], "next_token, which draws tokens: leave --steps out")
            try expectComplaint(arguments + ["--solver", "euler"], "leave --solver out")
            try expectComplaint(arguments + ["--constituents", "500"], "--constituents is 500", "at most 128")
            try expectComplaint(
                ["generate", "--reconstruct", checkpoint, test, "--jets", "3", "--output", folder + "/out.h5"],
                "next_token, which does not reconstruct constituents")
            #expect(!FileManager.default.fileExists(atPath: folder + "/out.h5"))
            let outcome = try kaon(arguments + ["--temperature", "0.8", "--top-k", "5"])
            #expect(outcome.code == 0 && outcome.output.contains("12 jets"), "\(outcome.errors)")
        }
        try withRun(["objective=set_flow", "~tasks", "~model.decoder.layer_scale"]) { folder, checkpoint in
            let arguments = ["generate", checkpoint, "--jets", "3", "--output", folder + "/out.h5"]
            try expectComplaint(
                arguments + ["--temperature", "2"], "set_flow, which integrates a flow: leave --temperature out")
            try expectComplaint(arguments + ["--top-k", "2"], "leave --top-k out")
            try expectComplaint(arguments + ["--most-likely"], "leave --most-likely out")
            try expectComplaint(
                arguments + ["--reconstruct", test, "--most-likely"], "integrates a flow: leave --most-likely out")
        }
    }

    static let nextToken = [
        "objective=next_token", "~tasks", "~model.decoder", "model.inputs={clusters: 16, fit_jets: 60, iterations: 2}",
        "next_token.fit_jets=60",
    ]

    @Test(arguments: [
        (
            ["model.inputs={name: raw}"],
            "raw is no vocabulary, and next_token predicts tokens: use kmeans, or vqvae with tokenizer.checkpoint"
        ),
        (["model.inputs={name: bins}"], "bins is no vocabulary"),
        (
            ["model.inputs={name: vqvae}"],
            "vqvae needs the checkpoint of a VQ-VAE; set tokenizer.checkpoint"
        ),
        (
            ["tokenizer.quantiser.codes=8"],
            "this next_token model does not use the VQ-VAE of the section; set model.inputs.name to vqvae, or leave"
        ),
        (["model.encoder.registers=0"], "registers: next_token needs at least one"),
        (["model.encoder.pairs={}"], "pairs: next_token has tokens as inputs"),
        (["model.identity=true"], "model.identity: unknown key"), (["masking={}"], "masking: unknown key"),
        (["model.inputs.clusters=100000"], "raise model.inputs.fit_jets or lower model.inputs.clusters"),
    ])
    func wrongTokensAreNamed(overrides: [String], words: String) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(Self.nextToken + overrides))
            #expect(outcome.code == 1)
            #expect(outcome.complaints.count == 1 && outcome.errors.contains(words), "\(outcome.errors)")
        }
    }

    /// Classes that the model does not have, and data without names of classes or of one class.
    @Test func classesOfGeneratedJetsAreChecked() throws {
        let overrides = ["objective=set_flow", "~tasks", "~model.decoder.layer_scale"]
        try withRun(overrides + ["model.classes=true"]) { folder, checkpoint in
            let output = folder + "/out.h5"
            try expectComplaint(
                ["generate", checkpoint, "generate.class=Hxx", "--jets", "3", "--output", output],
                "generate.class: the model has no class 'Hxx'; it has ", "QCD")
            try expectComplaint(
                [
                    "generate", "--reconstruct", checkpoint, test, "generate.class=QCD", "--jets", "3", "--output",
                    output,
                ],
                "generate.class has no effect on kaon generate --reconstruct")
            #expect(!FileManager.default.fileExists(atPath: output))
            let made = try kaon([
                "generate", checkpoint, "generate.class=QCD", "--jets", "30", "--steps", "2", "--output", output,
            ])
            #expect(made.code == 0, "\(made.errors)")
            let inspection = try kaon(["inspect", output])
            #expect(inspection.code == 0 && inspection.output.contains("QCD"), "\(inspection.errors)")
            let run = try TinyRun(in: folder + "/other")
            try expectComplaint(
                run.arguments(overrides + ["model.classes=true", "data.classes=[QCD]"]),
                "set_flow needs jets of at least two classes, but data.classes names only QCD")
        }
        try withRun(overrides) { folder, checkpoint in
            let output = folder + "/out.h5"
            try expectComplaint(
                ["generate", checkpoint, "generate.class=QCD", "--jets", "3", "--output", output],
                "generate.class", "model.classes is false", "leave the key out")
            #expect(try kaon(["generate", checkpoint, "--jets", "9", "--steps", "2", "--output", output]).code == 0)
            let run = try TinyRun(in: folder + "/other")
            try expectComplaint(
                run.arguments(overrides + ["model.classes=true", "data.train=[\(output)]"]),
                "set_flow needs jets of at least two classes, but \(output) names only generated")
        }
    }

    @Test(arguments: [
        (["set_flow", "model.encoder.registers=0"], "registers: set_flow needs at least one"),
        (["set_flow", "model.decoder.heads=3"], "a width of 16 cannot be divided among 3 heads"),
        (["mpm_v2", "tasks.flow={bins: 1000}"], "tasks.flow.bins"),
        (["mpm_v2", "tasks.flow_matching={decay: 1}"], "tasks.flow_matching.decay: must be"),
        (["mpm_v2", "tasks.particle_id={class_weights: [1, 2]}"], "class_weights"),
        (["mpm_v2", "~tasks.kmeans", "~tasks.particle_id", "tasks.probe={}"], "no task to train"),
    ])
    func wrongKeysAreNamed(overrides: [String], words: String) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let set = overrides[0] == "set_flow" ? ["~tasks", "~model.decoder.layer_scale"] : []
            let outcome = try kaon(run.arguments(["objective=" + overrides[0]] + set + overrides.dropFirst()))
            #expect(outcome.code == 1)
            #expect(outcome.complaints.count == 1 && outcome.errors.contains(words), "\(outcome.errors)")
        }
    }

    @Test(arguments: [
        ["generate", "x.h5", "--output", "y.h5"], ["generate", "x.h5", "--jets", "0", "--output", "y.h5"],
        ["generate", "x.h5", "--jets", "1", "--output", "y.h5", "--solver", "rk4"],
        ["generate", "x.h5", "--jets", "1", "--output", "y.h5", "--steps", "0"],
        ["generate", "x.h5", "--jets", "1", "--output", "y.h5", "--temperature", "0"],
        ["generate", "x.h5", "--jets", "1", "--output", "y.h5", "--temperature", "warm"],
        ["generate", "x.h5", "--jets", "1", "--output", "y.h5", "--temperature", "inf"],
        ["generate", "x.h5", "--jets", "1", "--output", "y.h5", "--top-k", "0"],
        ["generate", "x.h5", "--jets", "1", "--output", "y.h5", "--most-likely", "--top-k", "4"],
        ["generate", "x.h5", "--jets", "1", "--output", "y.h5", "--reconstruct", "--fraction", "1.5"],
        ["encode", "x.h5", "--output", "y.h5", "--pool", "sum"],
    ])
    func wrongCommandLinesAreRefused(arguments: [String]) throws {
        #expect(try kaon(arguments).code == 64)
    }
}

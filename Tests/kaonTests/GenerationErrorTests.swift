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
            try expectComplaint(
                ["encode", checkpoint, test, "--output", folder + "/nowhere/out.h5"], "nowhere is not a writable folder"
            )
            #expect(!FileManager.default.fileExists(atPath: output))
            try "mine".write(toFile: output, atomically: true, encoding: .utf8)
            try expectComplaint(["encode", checkpoint, test, "--output", output], "--force")
            #expect(try String(contentsOfFile: output, encoding: .utf8) == "mine")
            #expect(try kaon(["encode", checkpoint, test, "--output", output, "--force"]).code == 0)
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
        ["generate", "x.h5", "--jets", "1", "--output", "y.h5", "--reconstruct", "--fraction", "1.5"],
        ["encode", "x.h5", "--output", "y.h5", "--pool", "sum"],
    ])
    func wrongCommandLinesAreRefused(arguments: [String]) throws {
        #expect(try kaon(arguments).code == 64)
    }
}

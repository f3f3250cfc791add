import Foundation
import Testing

/// A VQ-VAE that is missing, or that does not fit, is named.
@Suite(.serialized) struct TokenizerErrorTests {
    /// Runs version 1 with some sections on jets that are there, and expects it to be refused before it writes
    /// anything.
    private func expectRefusal(
        _ sections: String, _ overrides: [String], ranks: Int? = nil, _ message: String,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        try withScratchFolder { folder in
            try write(sections, to: folder)
            let outcome = try kaon(["pretrain", folder + "/run.yaml"] + overrides, ranks: ranks, at: location)
            #expect(outcome.code == 1, sourceLocation: location)
            #expect(
                outcome.complaints == ["Error: " + message.replacing("FOLDER", with: folder)], sourceLocation: location)
            #expect(!FileManager.default.fileExists(atPath: folder + "/run"), sourceLocation: location)
        }
    }

    private func write(_ sections: String, to folder: String) throws {
        try """
        run: {directory: \(folder)/run}
        data: {train: ["\(sample("val"))"]}
        training: {steps: 2, batch_size: 20, micro_batch_size: 8}
        parallel: {threads: 1}

        """.appending(sections).write(toFile: folder + "/run.yaml", atomically: true, encoding: .utf8)
    }

    private let version1 = """
        objective: mpm_v1
        model: {encoder: {width: 16, layers: 1, heads: 2, hidden: 16}}
        tasks: {vqvae: {}}
        """
    private let vqvae = """
        objective: vqvae
        model: {encoder: {width: 16, layers: 1, heads: 2, hidden: 16},
                decoder: {width: 16, layers: 1, heads: 2, hidden: 16},
                quantiser: {codes: 16, dimension: 4}}
        vqvae: {fit_jets: 40, iterations: 2}
        """

    @Test(arguments: [nil, 2]) func aMissingFileIsNamed(ranks: Int?) throws {
        try expectRefusal(
            version1, ["tokenizer.checkpoint=/no.h5"], ranks: ranks,
            "tokenizer.checkpoint: there is no checkpoint /no.h5; name one that 'kaon pretrain' has written")
    }

    @Test func codesNeedAVQVAE() throws {
        try expectRefusal(
            version1, [], "FOLDER/run.yaml:7: tasks: vqvae needs the checkpoint of a VQ-VAE; set tokenizer.checkpoint")
        try expectRefusal(
            version1, ["~tasks.vqvae", "tasks.kmeans={}", "model.inputs.name=vqvae"],
            "on the command line: model.inputs.name: vqvae needs the checkpoint of a VQ-VAE; set tokenizer.checkpoint")
    }

    @Test func anotherObjectiveIsNamed() throws {
        try withScratchFolder { folder in
            let other = try TinyRun(in: folder)
            #expect(try kaon(other.arguments(["training.steps=1"])).code == 0)
            try expectRefusal(
                version1, ["tokenizer.checkpoint=\(other.latest)"],
                "tokenizer.checkpoint: \(other.latest) is a checkpoint of mpm_v2, not of a VQ-VAE; name one that was "
                    + "trained with objective vqvae")
        }
    }

    /// The section determines features and preprocessing of the run, so that one without effect is an error.
    @Test func anUnusedVQVAEIsNamed() throws {
        try withScratchFolder { folder in
            try write(vqvae, to: folder)
            #expect(try kaon(["pretrain", folder + "/run.yaml"]).code == 0)
            let tokenizer = ["tokenizer.checkpoint=\(folder)/run/checkpoints/latest"]
            func expectUnused(
                _ sections: String, _ overrides: [String], _ remedies: String,
                at location: SourceLocation = #_sourceLocation
            ) throws {
                let objective = String(sections.dropFirst("objective: ".count).prefix { $0 != "\n" })
                try expectRefusal(
                    sections, overrides,
                    "on the command line: tokenizer: this \(objective) model does not use the VQ-VAE of the section; "
                        + remedies, at: location)
            }
            let version2 = "objective: mpm_v2\ntasks: {particle_id: {}, kmeans: {}}"
            try expectUnused(version2, tokenizer, "add tasks.vqvae, or leave it out")
            try expectUnused(version2, ["tokenizer.quantiser.codes=8"], "add tasks.vqvae, or leave it out")
            try expectUnused(
                version1, tokenizer + ["~tasks.vqvae", "tasks.regression={}", "model.inputs.name=kmeans"],
                "add tasks.vqvae, set model.inputs.name to vqvae, or leave it out")
            try expectUnused("objective: set_flow\n", tokenizer, "leave it out")
            try expectUnused(vqvae, tokenizer, "leave it out")
            let downstream = try kaon(
                ["finetune", folder + "/run.yaml", "objective=classification", "backbone_mode=scratch", "~model"]
                    + ["~vqvae"] + tokenizer)
            #expect(
                downstream.complaints == [
                    "Error: on the command line: tokenizer: this classification model does not use the VQ-VAE of the "
                        + "section; set model.inputs.name to vqvae, or leave it out"
                ])
            // Used as inputs alone.
            let used = try kaon(
                ["pretrain", folder + "/run.yaml", "~vqvae", "objective=mpm_v1", "model.inputs.name=vqvae"]
                    + ["~model.decoder", "~model.quantiser", "tasks.regression={}", "run.directory=\(folder)/used"]
                    + tokenizer)
            #expect(used.code == 0, "\(used.errors)")
        }
    }

    /// Other features, another preprocessing, another size, and no backbone in it.
    @Test func whatDoesNotFitTheVQVAEIsNamed() throws {
        try withScratchFolder { folder in
            try write(vqvae, to: folder)
            #expect(try kaon(["pretrain", folder + "/run.yaml", "data.features=[pt, deta, dphi]"]).code == 0)
            let trained = folder + "/run/checkpoints/latest"
            let tokenizer = "tokenizer.checkpoint=\(trained)"
            try expectRefusal(
                version1, [tokenizer, "data.features=all"],
                "on the command line: data.features: the checkpoint that this run builds on was trained on pt, deta, "
                    + "dphi; leave the key out")
            try expectRefusal(
                version1, [tokenizer, "preprocessing.name=quantile"],
                "on the command line: preprocessing: the VQ-VAE was trained with the preprocessing standard; leave the "
                    + "section out")
            try expectRefusal(
                version1, [tokenizer, "tokenizer.quantiser.codes=17"],
                "on the command line: tokenizer: the shape differs from that of the VQ-VAE; name its checkpoint alone")
            let outcome = try kaon([
                "finetune", folder + "/run.yaml", "objective=classification", "backbone=\(trained)", "~model", "~vqvae",
                "run.directory=\(folder)/downstream",
            ])
            #expect(
                outcome.complaints == [
                    "Error: backbone: \(trained) is a checkpoint of vqvae, which has no backbone; name that of another "
                        + "pre-training"
                ])
        }
    }

    @Test func codesThatCannotBeFittedAreNamed() throws {
        try withScratchFolder { folder in
            try write(vqvae, to: folder)
            let outcome = try kaon(["pretrain", folder + "/run.yaml", "vqvae.fit_jets=1", "model.quantiser.codes=5000"])
            #expect(outcome.code == 1)
            let complaint = try #require(outcome.complaints.first)
            #expect(
                complaint.hasPrefix(
                    "Error: k-means with 5000 clusters needs as many distinct constituents, but the jets it is fitted "
                        + "to have only "))
            #expect(complaint.hasSuffix("; raise vqvae.fit_jets or lower model.quantiser.codes"))
        }
    }
}

import Commands
import Foundation
import HDF5
import RunSupport
import Runs
import Safetensors
import System
import TestSupport
import Testing
import Training

/// `kaon export`: the model is read back bit-identically, on any number of ranks. Every test is collective.
@Suite(.serialized) struct ExportMPITests {
    private func export(
        _ checkpoint: String, to output: String, part: ExportedPart = .backbone, names: ParameterNames = .kaon
    ) throws {
        try Commands.export(checkpoint, to: OutputFile(output), part: part, names: names, in: silentContext())
        try world.barrier()
    }

    /// The weights that a run has after a step in which nothing is learned.
    private func initialBits(_ folder: String, _ weights: String) throws -> [String: [UInt32]] {
        let directory = folder + "/from-" + URL(fileURLWithPath: weights).lastPathComponent
        try train(
            tinyRun(
                directory, "model.initial_weights=\(weights)", "training.steps=1", "optimizer.learning_rate=0",
                "schedule={name: constant}", "seed=9"))
        return try bits("model", of: checkpoint(directory, step: 1))
    }

    private func encodings(_ model: String, _ output: String) throws -> [UInt32] {
        try encode(
            model, overrides: ["data.test=[\(sample("test"))]"], to: OutputFile(output), pool: .none,
            in: silentContext())
        try world.barrier()
        return try File(opening: output).root.read("encodings", as: Float.self).map(\.bitPattern)
    }

    @Test func initialWeightsComeBackToTheBit() throws {
        try withSharedFolder { folder in
            try train(tinyRun(folder + "/run", "training.steps=3"))
            let trained = checkpoint(folder + "/run", step: 3)
            let expected = try bits("model", of: trained)
            let (whole, backbone, published) = (
                folder + "/model.safetensors", folder + "/backbone.safetensors", folder + "/public.safetensors"
            )
            try export(trained, to: whole, part: .model)
            try export(trained, to: backbone)
            try export(trained, to: published, names: .august2024)
            #expect(try initialBits(folder, whole) == expected)

            let fresh = try initialBits(folder, trained)
            for file in [backbone, published] {
                let found = try initialBits(folder, file)
                let isBackbone = { (name: String) in name.hasPrefix("encoder.") || name.hasPrefix("embedding.") }
                #expect(found.filter { isBackbone($0.key) } == expected.filter { isBackbone($0.key) })
                // The others are fresh, and those of the seed.
                #expect(found["decoder.null_tokens"] != expected["decoder.null_tokens"])
                #expect(found.keys == fresh.keys)
            }
        }
    }

    /// Names and shapes in every generation; the weights of the norms are in the maps after them in the latest one.
    @Test(arguments: [ParameterNames.august2024, .october2024, .jetssl])
    func modelsHaveTheNamesOfEachGeneration(_ names: ParameterNames) throws {
        try withSharedFolder { folder in
            try train(tinyRun(folder + "/run", "training.steps=3", "optimizer.learning_rate=0.1"))
            let trained = checkpoint(folder + "/run", step: 3)
            let (own, whole, backbone) = (
                folder + "/own.safetensors", folder + "/whole.safetensors", folder + "/backbone.safetensors"
            )
            try export(trained, to: own, part: .model)
            try export(trained, to: whole, part: .model, names: names)
            try export(trained, to: backbone, names: names)
            let (kaon, file) = (try SafetensorsFile(contentsOf: own), try SafetensorsFile(contentsOf: whole))
            let block = "encoder.layers.1."
            let (map, scale) =
                switch names {
                case .october2024: ("res_attn.fn.attn_in_w", "res_attn.gate")
                case .jetssl: ("attn.fn.attn_in.weight", "attn.gate")
                default: ("attn.fn.attn_in_w", "attn.ls.gamma")
                }
            #expect(
                try file.floats(block + scale) == kaon.floats(block + "attention_scale")
                    && file.floats("null_token") == kaon.floats("decoder.null_tokens")
                    && file.floats("enc_to_dec.bias") == kaon.floats("encoder_to_decoder.bias"))
            #expect(file.names.contains { $0.hasSuffix(".norm.weight") } == (names != .jetssl))
            let wanted = try kaon.floats(block + "attention.qkv.weight")
            let gains = try kaon.floats(block + "attention_norm.weight")
            #expect(gains.contains { abs($0 - 1) > 1e-3 })
            #expect(
                try file.floats(block + map)
                    == (names == .jetssl ? wanted.enumerated().map { $1 * gains[$0 % gains.count] } : wanted))
            // Such a file lacks the preprocessing.
            for path in [whole, backbone] {
                #expect(
                    failure { _ = try encodings(path, folder + "/e.h5") }
                        == "\(path) was exported with --names \(names.rawValue), without what kaon needs besides the "
                        + "weights: export it without --names, or convert it with kaon-import")
            }
            // The weights go into a new run without kaon-import as well.
            let found = try initialBits(folder, backbone)
            let expected = try bits("model", of: trained)
            for name in ["embedding.identity.weight", block + "feedforward_scale", "encoder.registers"] {
                #expect(found[name] == expected[name] && found[name] != nil)
            }
        }
    }

    /// An imported model without a preprocessing: quantiles are fitted to the jets at hand, with a warning.
    @Test func quantilesAreFittedToTheJetsAtHand() throws {
        try withSharedFolder { folder in
            // Trained on the jets that are encoded, so that its own quantiles are the expected ones.
            try train(tinyRun(folder + "/run", "training.steps=2", "data.train=[\(sample("test"))]"))
            let (own, bare) = (folder + "/own.safetensors", folder + "/bare.safetensors")
            try export(checkpoint(folder + "/run", step: 2), to: own)
            if world.rank == 0 {
                let file = try SafetensorsFile(contentsOf: own)
                var metadata = file.metadata
                metadata["preprocessing"] = "none"
                var writer = SafetensorsWriter(metadata: metadata)
                for name in file.names where !name.hasPrefix("preprocessing/") {
                    writer.add(name, try file.floats(name), shape: try file.shape(name))
                }
                try writer.write(to: bare)
            }
            try world.barrier()
            #expect(try encodings(own, folder + "/1.h5") == encodings(bare, folder + "/2.h5"))
            #expect(try SafetensorsFile(contentsOf: bare).metadata["preprocessing"] == "none")
        }
    }

    /// A resumed run has its weights in its checkpoint; a new one reports missing files at once.
    @Test func initialWeightsAreNeededOnce() throws {
        try withSharedFolder { folder in
            let (weights, run) = (folder + "/model.safetensors", folder + "/run")
            try train(tinyRun(folder + "/before", "training.steps=1"))
            try export(checkpoint(folder + "/before", step: 1), to: weights, part: .model)
            func go(_ directory: String, steps: Int) throws {
                try train(tinyRun(directory, "model.initial_weights=\(weights)", "training.steps=\(steps)"))
            }
            try go(run, steps: 2)
            try world.onRoot { try FileManager.default.removeItem(atPath: weights) }
            try world.barrier()
            try go(run, steps: 3)
            #expect(FileManager.default.fileExists(atPath: checkpoint(run, step: 3)))
            #expect(
                failure { try go(folder + "/other", steps: 2) }.contains(
                    "model.initial_weights: there is no checkpoint"))
        }
    }

    @Test func publicNamesAreThoseOfThePublicCode() throws {
        try withSharedFolder { folder in
            try train(tinyRun(folder + "/run", "training.steps=1", "model.encoder.layers=1"))
            let path = folder + "/public.safetensors"
            try export(checkpoint(folder + "/run", step: 1), to: path, names: .august2024)
            let file = try SafetensorsFile(contentsOf: path)
            #expect(
                file.names == [
                    "csts_emb.bias", "csts_emb.weight", "csts_id_emb.weight", "encoder.final_norm.bias",
                    "encoder.final_norm.weight", "encoder.layers.0.attn.fn.attn_in_b",
                    "encoder.layers.0.attn.fn.attn_in_w", "encoder.layers.0.attn.fn.attn_out.bias",
                    "encoder.layers.0.attn.fn.attn_out.weight", "encoder.layers.0.attn.ls.gamma",
                    "encoder.layers.0.attn.norm.bias", "encoder.layers.0.attn.norm.weight",
                    "encoder.layers.0.ff.fn.lin1.bias", "encoder.layers.0.ff.fn.lin1.weight",
                    "encoder.layers.0.ff.fn.lin2.bias", "encoder.layers.0.ff.fn.lin2.weight",
                    "encoder.layers.0.ff.ls.gamma", "encoder.layers.0.ff.norm.bias",
                    "encoder.layers.0.ff.norm.weight", "encoder.registers",
                ])
            #expect(try file.shape("encoder.registers") == [1, 2, 16])
            let text = failure {
                _ = try runOptions(
                    readingPretrained: "{objective: classification, data: {train: x}, backbone: \(path)}")
            }
            #expect(text.hasPrefix("\(path) was exported with --names jetssl-2024-08, without what"))
        }
    }

    /// With the preprocessing, and the centroids or the VQ-VAE that make the inputs.
    @Test(
        arguments: ObjectiveCase.all + [
            ObjectiveCase(
                name: "set_flow",
                sections: """
                    objective: set_flow
                    model: {encoder: {width: 16, layers: 1, heads: 2, registers: 2},
                            decoder: {width: 16, layers: 1, heads: 2}}
                    """),
            ObjectiveCase(
                name: "set_flow with classes",
                sections: """
                    objective: set_flow
                    model: {encoder: {width: 16, layers: 1, heads: 2, registers: 2},
                            decoder: {width: 16, layers: 1, heads: 2}, classes: true}
                    """),
        ])
    func exportsOfAllObjectivesAnswerAlike(_ objective: ObjectiveCase) throws {
        try objective.withTokenizer { folder, tokenizer in
            try train(objective.options(folder + "/run", tokenizer: tokenizer, "training.steps=2"))
            let trained = checkpoint(folder + "/run", step: 2)
            let whole = folder + "/model.safetensors"
            try export(trained, to: whole, part: .model)
            for model in [trained, whole] {
                try evaluate(
                    model, overrides: ["data.test=[\(sample("test"))]"],
                    output: folder + "/" + URL(fileURLWithPath: model).pathExtension, in: silentContext())
            }
            try world.barrier()
            let metrics = try ["h5", "safetensors"].map {
                try String(contentsOfFile: "\(folder)/\($0)/metrics.json", encoding: .utf8)
                    .split(separator: "\n")
                    .filter { !$0.contains(/"(checkpoint|checkpoint_checksum|step|average)"/) }
            }
            #expect(metrics[0] == metrics[1] && metrics[0].count > 4)

            let backbone = folder + "/backbone.safetensors"
            guard objective.name != "vqvae" else {
                #expect(failure { try export(trained, to: backbone) }.contains("vqvae, which has no backbone"))
                return
            }
            try export(trained, to: backbone)
            #expect(try encodings(trained, folder + "/1.h5") == encodings(backbone, folder + "/2.h5"))
        }
    }

    @Test func finetunesAnExportedBackboneLikeItsCheckpoint() throws {
        try withSharedFolder { folder in
            try train(tinyRun(folder + "/run", "training.steps=2"))
            let trained = checkpoint(folder + "/run", step: 2)
            try export(trained, to: folder + "/backbone.safetensors")
            var weights: [[String: [UInt32]]] = []
            for backbone in [trained, folder + "/backbone.safetensors"] {
                let directory = folder + "/on-" + URL(fileURLWithPath: backbone).pathExtension
                try train(
                    try runOptions(
                        readingPretrained: """
                            objective: classification
                            backbone: \(backbone)
                            backbone_mode: fine_tuned
                            run: {directory: \(directory), evaluate: never}
                            data: {train: ["\(sample("val"))"]}
                            fine_tuning: {frozen_steps: 1, catch_up_steps: 1}
                            head: {width: 8, layers: 1, heads: 2}
                            training: {steps: 3, batch_size: 16}
                            parallel: {threads: 1}
                            """))
                weights.append(try bits("model", of: checkpoint(directory, step: 3)))
            }
            #expect(weights[0] == weights[1] && weights[0].count > 30)
        }
    }

    /// The card has the results of the evaluation of this checkpoint, or those of its validation; it is part of the
    /// export.
    @Test func cardsDescribeTheModel() throws {
        try withSharedFolder { folder in
            let run = folder + "/run"
            let options = try runOptions(
                """
                objective: classification
                backbone_mode: scratch
                run: {directory: \(run), name: 'top: "tagger"', evaluate: never}
                data: {train: ["\(sample("val"))"], validation: ["\(sample("train"))"], test: ["\(sample("test"))"],
                       classes: [QCD, Tbqq]}
                model: {encoder: {width: 16, layers: 1, heads: 2, registers: 2}}
                head: {width: 8, layers: 1, heads: 2}
                training: {steps: 2, batch_size: 16, micro_batch_size: 16, validation_interval: 1, validation_jets: 40}
                preprocessing: {jets: 200, quantiles: 50}
                parallel: {threads: 1}
                """)
            try train(options)
            let trained = checkpoint(run, step: 2)
            func card(_ name: String, _ part: ExportedPart, license: String? = nil, overwrites: Bool = true) throws
                -> String
            {
                let output = OutputFile(folder + "/" + name, overwrites: overwrites)
                try Commands.export(
                    trained, to: output, part: part, names: .kaon,
                    card: CardRequest(beside: output, license: license), in: silentContext())
                try world.barrier()
                let text = try String(contentsOfFile: folder + "/README.md", encoding: .utf8)
                #expect(try SafetensorsFile(contentsOf: output.path).metadata["card"] == text)
                return text
            }
            var text = try card("model.safetensors", .model, license: "cc-by-4.0")
            #expect(
                text.hasPrefix(
                    """
                    ---
                    license: cc-by-4.0
                    library_name: kaon
                    pipeline_tag: tabular-classification
                    tags:
                    - kaon
                    - jets
                    - particle-physics
                    - safetensors
                    - classification
                    model-index:
                    - name: "top: \\"tagger\\""
                      results:
                      - task:
                          type: "classification"
                          name: "classification"
                        dataset:
                          type: jets
                          name: "train.h5"
                        metrics:
                        - type: "valid/total_loss"
                          value:\u{20}
                    """), "\(text)")
            #expect(text.contains("On the validation jets:\n\n| measure | value |"))
            #expect(text.contains("| classes | `QCD`, `Tbqq` |") && text.contains("\n| training | 2 steps of 16 jets"))
            #expect(text.contains("```yaml\n\(options.resolved)```\n"))

            try evaluate(trained, overrides: [], output: nil, in: silentContext())
            try world.barrier()
            text = try card("model.safetensors", .model)
            #expect(text.hasPrefix("---\nlicense: unknown\n") && text.contains("No licence is stated"))
            #expect(text.contains("On 200 test jets:\n\n| measure | value |") && text.contains("- type: \"auc_Tbqq\""))
            #expect(text.contains("model = kaon_torch.load(\"model.safetensors\")"))

            text = try card("backbone.safetensors", .backbone)
            #expect(text.contains("pipeline_tag: feature-extraction") && !text.contains("| classes |"))
            #expect(text.contains("kaon encode backbone.safetensors"))

            // The results of another step are not those of this checkpoint.
            try train(runOptions(options.resolved, ["training.steps=3"]))
            let later = checkpoint(run, step: 3)
            let output = OutputFile(folder + "/later.safetensors", overwrites: true)
            try Commands.export(
                later, to: output, part: .model, names: .kaon, card: CardRequest(beside: output, license: nil),
                in: silentContext())
            try world.barrier()
            text = try String(contentsOfFile: folder + "/README.md", encoding: .utf8)
            #expect(text.contains("On the validation jets") && !text.contains("auc_Tbqq"))

            // Refusals, before anything is written.
            #expect(
                failure { _ = try card("other.safetensors", .model, overwrites: false) }
                    == "\(folder)/README.md already exists; choose another folder for --output, or --force to "
                    + "replace it")
            #expect(!FileManager.default.fileExists(atPath: folder + "/other.safetensors"))
            if world.rank == 0 {
                try "My notes".write(toFile: folder + "/README.md", atomically: true, encoding: .utf8)
            }
            try world.barrier()
            #expect(
                failure { _ = try card("other.safetensors", .model) }
                    == "\(folder)/README.md is not a model card of kaon; choose another folder for --output")
            #expect(try String(contentsOfFile: folder + "/README.md", encoding: .utf8) == "My notes")
            #expect(
                failure { _ = try card("other.safetensors", .model, license: "my own") }.hasPrefix(
                    "--license 'my own': expected an identifier of model hubs"))
        }
    }

    @Test func filesThatDoNotFitAreRefused() throws {
        try withSharedFolder { folder in
            try train(tinyRun(folder + "/run", "training.steps=1"))
            let trained = checkpoint(folder + "/run", step: 1)
            let file = folder + "/backbone.safetensors"
            try export(trained, to: file)
            func complaint(_ overrides: String...) throws -> String {
                failure {
                    try train(
                        tinyRun(
                            folder + "/other", ["model.initial_weights=\(file)", "training.steps=1"] + overrides))
                }
            }
            #expect(
                try complaint("model.encoder.width=8")
                    == "\(file) is of another model: the tensor embedding.continuous.weight has shape [16, 7], this "
                    + "model has [8, 7]")
            #expect(
                try complaint("model.encoder.layers=3")
                    == "\(file) is of another model: it has no tensor encoder.layers.2.attention_norm.weight")
            #expect(
                try complaint("model.encoder.layers=1").hasPrefix(
                    "\(file) is of another model: this model has no tensor encoder.layers.1."))
            #expect(
                failure { _ = try encodings(file + ".safetensors", folder + "/e.h5") }
                    == "\(file).safetensors: no such file")
            #expect(failure { try export(trained, to: folder + "/x.h5") }.contains("must end in .safetensors"))
            #expect(failure { try export(file, to: folder + "/x.safetensors") }.contains("already an exported model"))
            #expect(failure { try export(trained, to: file) }.contains("already exists"))

            // Every byte counts, those of the header and those of the values.
            if world.rank == 0 {
                let path = URL(fileURLWithPath: file)
                var bytes = try Data(contentsOf: path)
                bytes[bytes.count - 3] ^= 4
                try bytes.write(to: path)
            }
            try world.barrier()
            #expect(failure { _ = try encodings(file, folder + "/e.h5") }.hasPrefix("\(file): the file is damaged"))
            #expect(try complaint().hasPrefix("\(file): the file is damaged"))
        }
    }
}

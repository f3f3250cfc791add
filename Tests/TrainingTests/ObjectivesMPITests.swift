import Foundation
import HDF5
import MPI
import Objectives
import Tensors
import TestSupport
import Testing
import Training

/// An objective in small, which keeps the promises to all.
struct ObjectiveCase: Sendable, CustomTestStringConvertible {
    let name: String
    /// Its sections of a configuration; TOKENIZER stands for the checkpoint of a VQ-VAE.
    let sections: String

    var testDescription: String { name }

    static let vqvae = ObjectiveCase(
        name: "vqvae",
        sections: """
            objective: vqvae
            model: {encoder: {width: 16, layers: 1, heads: 2, hidden: 16, dropout: 0.1},
                    decoder: {width: 16, layers: 1, heads: 2, hidden: 16, dropout: 0.1},
                    quantiser: {codes: 96, dimension: 4}}
            vqvae: {revival_steps: 2, fit_jets: 60, iterations: 3}
            """)

    static let all = [
        vqvae,
        ObjectiveCase(
            name: "mpm_v1, continuous",
            sections: """
                objective: mpm_v1
                model: {encoder: {width: 16, layers: 2, heads: 2, hidden: 16, dropout: 0.1}, position: backbone}
                tasks: {regression: {}, kmeans: {clusters: 32, fit_jets: 100, iterations: 3},
                        bins: {bins: 8, fit_jets: 100}}
                """),
        ObjectiveCase(
            name: "mpm_v1, clusters as inputs",
            sections: """
                objective: mpm_v1
                model: {encoder: {width: 16, layers: 1, heads: 2, hidden: 16, dropout: 0.1},
                        inputs: {name: kmeans, clusters: 64, fit_jets: 100, iterations: 3}}
                tasks: {particle_id: {}, kmeans: {clusters: 32, fit_jets: 100, iterations: 3}}
                """),
        tokens,
        ObjectiveCase(
            name: "mpm_v1, blocks of version 2",
            sections: """
                objective: mpm_v1
                model: {encoder: {block: transformer, width: 16, layers: 2, heads: 2, registers: 2, layer_scale: 0.1},
                        identity: true}
                tasks: {particle_id: {}, kmeans: {clusters: 32, fit_jets: 100, iterations: 3}}
                """),
        ObjectiveCase(
            name: "mpm_v2, codes",
            sections: """
                objective: mpm_v2
                tokenizer: {checkpoint: TOKENIZER}
                model: {encoder: {width: 16, layers: 1, heads: 2, registers: 2, layer_scale: 0.1},
                        decoder: {width: 16, layers: 1, heads: 2, layer_scale: 0.1}}
                tasks: {particle_id: {}, vqvae: {}}
                """),
    ]

    static let tokens = ObjectiveCase(
        name: "mpm_v1, codes",
        sections: """
            objective: mpm_v1
            tokenizer: {checkpoint: TOKENIZER}
            model: {encoder: {width: 16, layers: 2, heads: 2, hidden: 16, dropout: 0.1}, inputs: {name: vqvae}}
            tasks: {vqvae: {}}
            """)
}

/// What every objective promises. Every test is collective; alone they say little about the ranks, but all about
/// resuming.
@Suite(.serialized) struct ObjectivesMPITests {
    /// A run of an epoch of 28 steps, whose last batch is a single jet, and some more.
    func options(
        _ objective: ObjectiveCase, _ directory: String, tokenizer: String, _ overrides: String...
    ) throws -> RunOptions {
        try runOptions(
            readingPretrained: """
                seed: 5
                run: {directory: \(directory)}
                data: {train: ["\(sample("val"))"], validation: ["\(sample("test"))"]}
                preprocessing: {jets: 500}
                optimizer: {learning_rate: 5.0e-3}
                schedule: {warmup_steps: 10, half_life: 200}
                training: {steps: 32, batch_size: 37, micro_batch_size: 8, validation_interval: 20, validation_jets: 50,
                           checkpoint_interval: 1000, log_interval: 1}
                parallel: {threads: 1}

                """ + objective.sections.replacing("TOKENIZER", with: tokenizer), overrides)
    }

    /// Trains a VQ-VAE where one is asked for, and hands its checkpoint to `body`.
    func withTokenizer(
        _ objective: ObjectiveCase, _ body: (_ folder: String, _ tokenizer: String) throws -> Void
    ) throws {
        try withSharedFolder { folder in
            let tokenizer = folder + "/tokenizer"
            if objective.sections.contains("TOKENIZER") {
                try train(options(.vqvae, tokenizer, tokenizer: "", "training.steps=6"))
            }
            try body(folder, checkpoint(tokenizer, step: 6))
        }
    }

    @Test(arguments: ObjectiveCase.all) func anyNumberOfRanksTrainsTheSameModel(objective: ObjectiveCase) throws {
        try withTokenizer(objective) { folder, tokenizer in
            let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
            try train(options(objective, shared, tokenizer: tokenizer))
            try train(options(objective, alone, tokenizer: tokenizer), on: .selfOnly)
            #expect(try difference("train/total_loss", shared, alone) < 1e-4)
            #expect(try difference("valid/total_loss", shared, alone) < 1e-4)
            let losses = try MetricsTable(alone).values("train/total_loss")
            #expect(losses[25] < 0.99 * losses[0])
            // What was counted and what was learned from the data are the same to the bit.
            let states = try [shared, alone].map { try state(of: checkpoint($0, step: 32)) }
            #expect(states[0] == states[1])
        }
    }

    /// Stops in the middle of an epoch.
    @Test(arguments: ObjectiveCase.all) func aStoppedRunResumesExactly(objective: ObjectiveCase) throws {
        try withTokenizer(objective) { folder, tokenizer in
            try train(options(objective, folder + "/straight", tokenizer: tokenizer))
            try train(options(objective, folder + "/resumed", tokenizer: tokenizer, "training.steps=17"))
            try train(options(objective, folder + "/resumed", tokenizer: tokenizer))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 32)
        }
    }

    /// Codes that nobody has chosen for two steps begin anew: other codes come of it.
    @Test func unusedCodesBeginAnew() throws {
        try withSharedFolder { folder in
            try train(options(.vqvae, folder + "/revived", tokenizer: ""))
            try train(options(.vqvae, folder + "/left", tokenizer: "", "vqvae.revival_steps=1000"))
            let ages = try ["revived", "left"].map {
                try #require(state(of: checkpoint("\(folder)/\($0)", step: 32))["ages"])
            }
            #expect(ages.allSatisfy { $0.count == 96 })
            #expect(ages[0].max()! < 2 && ages[1].max()! >= 2, "\(ages)")
            let usage = try ["revived", "left"].map { try MetricsTable("\(folder)/\($0)").values("train/code_usage") }
            #expect(usage[0].suffix(5).reduce(0, +) > usage[1].suffix(5).reduce(0, +))
        }
    }

    /// What a run has taken from a VQ-VAE is in its checkpoint: it goes on when the VQ-VAE is gone, but does not begin.
    @Test func aRunNeedsItsTokenizerOnce() throws {
        try withTokenizer(.tokens) { folder, tokenizer in
            try train(options(.tokens, folder + "/straight", tokenizer: tokenizer, "training.steps=8"))
            try train(options(.tokens, folder + "/resumed", tokenizer: tokenizer, "training.steps=4"))
            try world.onRoot { try FileManager.default.removeItem(atPath: tokenizer) }
            try world.barrier()
            try train(options(.tokens, folder + "/resumed", tokenizer: tokenizer, "training.steps=8"))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 8)
            // Whoever builds on its backbone needs the VQ-VAE for the inputs, and finds it there.
            let downstream = ObjectiveCase(
                name: "classification",
                sections: "objective: classification\nbackbone: \(checkpoint(folder + "/resumed", step: 8))")
            try train(options(downstream, folder + "/downstream", tokenizer: "", "training.steps=2"))
            let states = try ["resumed/checkpoints/step-00000008.h5", "downstream/checkpoints/step-00000002.h5"].map {
                try state(of: "\(folder)/\($0)").filter { $0.key.hasPrefix("tokenizer/") }
            }
            #expect(!states[0].isEmpty && states[0] == states[1])
            let message = failure { _ = try options(.tokens, folder + "/new", tokenizer: tokenizer) }
            #expect(
                message == "tokenizer.checkpoint: there is no checkpoint \(tokenizer); name one that 'kaon pretrain' "
                    + "has written")
            // Nor does a run that shall not look at what is there.
            #expect(
                failure {
                    _ = try options(.tokens, folder + "/resumed", tokenizer: tokenizer, "run.resume=never")
                } == message)
        }
    }

    /// The state of the objective, in bits and numbers.
    private func state(of checkpoint: String) throws -> [String: [Int]] {
        let file = try File(opening: checkpoint)
        let state = try ObjectiveState(from: file.root.group("state/objective"))
        #expect(!state.isEmpty)
        let bits = state.tensors.mapValues { $0.array.map { Int($0.bitPattern) } }
        return bits.merging(state.integers) { first, _ in first }
    }
}

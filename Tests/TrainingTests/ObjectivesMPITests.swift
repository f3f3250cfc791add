import Foundation
import HDF5
import Objectives
import RunSupport
import TestSupport
import Testing
import Training

/// Guarantees of every objective. Every test is collective; alone they say little about the ranks, but all about
/// resuming.
@Suite(.serialized) struct ObjectivesMPITests {
    @Test(arguments: ObjectiveCase.all) func anyNumberOfRanksTrainsTheSameModel(objective: ObjectiveCase) throws {
        try objective.withTokenizer { folder, tokenizer in
            let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
            try train(objective.options(shared, tokenizer: tokenizer))
            try train(objective.options(alone, tokenizer: tokenizer), on: .selfOnly)
            #expect(try difference("train/total_loss", shared, alone) < 1e-4)
            #expect(try difference("valid/total_loss", shared, alone) < 1e-4)
            let losses = try MetricsTable(alone).values("train/total_loss")
            // Single batches differ by more than the training of classifiers gains.
            let (first, last) = (losses[..<9].reduce(0, +), losses[18..<27].reduce(0, +))
            #expect(last < 0.995 * first)
            // Counts and the state fitted to the data are bit-identical.
            let states = try [shared, alone].map { try state(of: checkpoint($0, step: 32)) }
            #expect(states[0] == states[1])
        }
    }

    /// Stops in the middle of an epoch.
    @Test(arguments: ObjectiveCase.all) func aStoppedRunResumesExactly(objective: ObjectiveCase) throws {
        try objective.withTokenizer { folder, tokenizer in
            try train(objective.options(folder + "/straight", tokenizer: tokenizer))
            try train(objective.options(folder + "/resumed", tokenizer: tokenizer, "training.steps=17"))
            try train(objective.options(folder + "/resumed", tokenizer: tokenizer))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 32)
        }
    }

    /// Codes that nobody has chosen for two steps begin anew: other codes come of it.
    @Test func unusedCodesBeginAnew() throws {
        try withSharedFolder { folder in
            try train(ObjectiveCase.vqvae.options(folder + "/revived", tokenizer: ""))
            try train(ObjectiveCase.vqvae.options(folder + "/left", tokenizer: "", "vqvae.revival_steps=1000"))
            let ages = try ["revived", "left"].map {
                try #require(state(of: checkpoint("\(folder)/\($0)", step: 32))["ages"])
            }
            #expect(ages.allSatisfy { $0.count == 96 })
            #expect(ages[0].max()! < 2 && ages[1].max()! >= 2, "\(ages)")
            let usage = try ["revived", "left"].map { try MetricsTable("\(folder)/\($0)").values("train/code_usage") }
            #expect(usage[0].suffix(5).reduce(0, +) > usage[1].suffix(5).reduce(0, +))
        }
    }

    /// A model from scratch has the weights of the VQ-VAE of its configuration, which it cannot do without.
    @Test func codesAsInputsAreThoseOfTheVQVAE() throws {
        let objective = ObjectiveCase.codesFromScratch
        try objective.withTokenizer { folder, tokenizer in
            try train(objective.options(folder + "/run", tokenizer: tokenizer, "training.steps=2"))
            func codes(_ path: String, _ group: String) throws -> [Float] {
                try File(opening: path).root.group(group).read("quantiser.codes", as: Float.self)
            }
            let used = try codes(checkpoint(folder + "/run", step: 2), "state/objective/tokenizer")
            #expect(try used == codes(tokenizer, "model"))
            let message = failure {
                try train(
                    objective.options(
                        folder + "/other", tokenizer: "null", "tokenizer.quantiser.codes=16", "training.steps=2"))
            }
            #expect(message.hasPrefix("tokenizer.checkpoint is missing: "), "\(message)")
        }
    }

    /// A commitment that is not trained grows from one validation to the next, and the total loss with it.
    @Test func theReconstructionSelectsTheBestVQVAE() throws {
        try withSharedFolder { folder in
            let run = folder + "/run"
            try train(
                ObjectiveCase.vqvae.options(
                    run, tokenizer: "", "vqvae.commitment_interval=1000000", "vqvae.reduction=mean",
                    "vqvae.revival_steps=100", "model.encoder.dropout=0", "model.decoder.dropout=0",
                    "training.validation_interval=4",
                    "training.checkpoint_interval=4", "training.early_stopping_patience=2"))
            let table = try MetricsTable(run)
            let (totals, losses) = try (table.values("valid/total_loss"), table.values("valid/reconstruction_loss"))
            // The total loss would have ended the run at step 12.
            try #require(losses.count == 8 && totals.firstIndex(of: totals.min()!) == 0)
            let best = 4 * (losses.firstIndex(of: losses.min()!)! + 1)
            #expect(best > 4)
            let link = try FileManager.default.destinationOfSymbolicLink(atPath: run + "/checkpoints/best")
            #expect(link == URL(fileURLWithPath: checkpoint("", step: best)).lastPathComponent)
        }
    }

    /// A checkpoint contains the VQ-VAE of its run: the run resumes without the file of the VQ-VAE, but cannot start.
    @Test func aRunNeedsItsTokenizerOnce() throws {
        try ObjectiveCase.tokens.withTokenizer { folder, tokenizer in
            try train(ObjectiveCase.tokens.options(folder + "/straight", tokenizer: tokenizer, "training.steps=8"))
            try train(ObjectiveCase.tokens.options(folder + "/resumed", tokenizer: tokenizer, "training.steps=4"))
            try world.onRoot { try FileManager.default.removeItem(atPath: tokenizer) }
            try world.barrier()
            try train(ObjectiveCase.tokens.options(folder + "/resumed", tokenizer: tokenizer, "training.steps=8"))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 8)
            // Whoever builds on its backbone needs the VQ-VAE for the inputs, and finds it there.
            let downstream = ObjectiveCase(
                name: "classification",
                sections: "objective: classification\nbackbone: \(checkpoint(folder + "/resumed", step: 8))")
            try train(downstream.options(folder + "/downstream", tokenizer: "", "training.steps=2"))
            let states = try ["resumed/checkpoints/step-00000008.h5", "downstream/checkpoints/step-00000002.h5"].map {
                try state(of: "\(folder)/\($0)").filter { $0.key.hasPrefix("tokenizer/") }
            }
            #expect(!states[0].isEmpty && states[0] == states[1])
            let message = failure { _ = try ObjectiveCase.tokens.options(folder + "/new", tokenizer: tokenizer) }
            #expect(
                message == "tokenizer.checkpoint: there is no checkpoint \(tokenizer); name one that 'kaon pretrain' "
                    + "has written")
            // Nor does a run that shall not look at what is there.
            #expect(
                failure {
                    _ = try ObjectiveCase.tokens.options(folder + "/resumed", tokenizer: tokenizer, "run.resume=never")
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

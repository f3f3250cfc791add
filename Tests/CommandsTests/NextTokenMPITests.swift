import Commands
import HDF5
import Jets
import MPI
import RunSupport
import Runs
import System
import TestSupport
import Testing
import Training

/// Generation from next-token models, and fine-tuning of their backbones. Every test is collective.
@Suite(.serialized) struct NextTokenMPITests {
    static let cases = ObjectiveCase.all.filter { $0.name.hasPrefix("next_token") }

    private func generation(_ jets: Int) -> GenerationOptions {
        var options = GenerationOptions(jets: jets)
        options.seed = 7
        return options
    }

    private func bits(_ path: String, _ names: [String] = ["csts", "csts_id", "offsets", "labels"]) throws
        -> [[UInt32]]
    {
        let file = try File(opening: path)
        return try names.map { try file.root.read($0, as: Float.self).map(\.bitPattern) }
    }

    @Test(arguments: cases) func jetsAreGeneratedTheSameOnAnyNumberOfRanks(objective: ObjectiveCase) throws {
        try objective.withTokenizer { folder, tokenizer in
            try train(objective.options(folder + "/run", tokenizer: tokenizer, "training.steps=8"))
            let model = checkpoint(folder + "/run", step: 8)
            let (all, alone) = (folder + "/all.h5", folder + "/alone-\(world.rank).h5")
            var options = generation(61)
            (options.temperature, options.topK) = (1.5, 20)
            try generate(model, overrides: [], to: OutputFile(all), options, in: silentContext())
            try generate(model, overrides: [], to: OutputFile(alone), options, in: silentContext(.selfOnly))
            try world.barrier()
            #expect(try bits(all) == bits(alone))
            let block = try openJetFile(all, reading: JetReading(maxConstituents: 128)).read(rows: 0..<61)
            #expect(try JetStatistics([all]).jets == 61)
            for jet in 0..<61 {
                let momenta = block.offsets[jet].map { block.values[7 * $0] }
                #expect(momenta == momenta.sorted(by: >))
            }
            for token in block.identities.indices where Identities.particles.isNeutral(block.identities[token]) {
                #expect(block.values[7 * token + 3..<7 * token + 7].allSatisfy { $0 == 0 })
            }
            #expect(Set(block.identities).count > 2)
            var five = generation(4)
            five.constituents = 5
            try generate(model, overrides: [], to: OutputFile(all, overwrites: true), five, in: silentContext())
            try world.barrier()
            #expect(try File(opening: all).root.read("offsets", as: Int.self) == [0, 5, 10, 15, 20])
        }
    }

    /// The backbone attends causally, as it was pre-trained, or fully if the configuration says so; a checkpoint keeps
    /// its kind of attention.
    @Test(arguments: cases) func backbonesAreFineTuned(objective: ObjectiveCase) throws {
        try objective.withTokenizer { folder, tokenizer in
            try train(objective.options(folder + "/run", tokenizer: tokenizer, "training.steps=4"))
            func options(_ directory: String, _ overrides: [String] = []) throws -> RunOptions {
                try runOptions(
                    readingPretrained: """
                        objective: classification
                        backbone: \(checkpoint(folder + "/run", step: 4))
                        backbone_mode: fine_tuned
                        run: {directory: \(directory), evaluate: never}
                        data: {train: ["\(sample("val"))"], validation: ["\(sample("test"))"]}
                        fine_tuning: {frozen_steps: 2, catch_up_steps: 2}
                        head: {width: 8, layers: 1, heads: 2}
                        training: {steps: 8, batch_size: 37, micro_batch_size: 8, validation_jets: 50, log_interval: 1}
                        parallel: {threads: 1}
                        """, overrides)
            }
            let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
            for (isCausal, overrides) in [(true, []), (false, ["model.causal=false"])] {
                #expect(try options(shared, overrides).objective.backbone?.shape.isCausal == isCausal)
            }
            try train(options(shared))
            try train(options(alone), on: .selfOnly)
            #expect(try difference("train/total_loss", shared, alone) < 1e-4)
            try train(options(folder + "/resumed", ["training.steps=5"]))
            try train(options(folder + "/resumed"))
            try expectSameRun(shared, folder + "/resumed", step: 8)
            try train(options(folder + "/full", ["model.causal=false"]))
            #expect(try difference("train/total_loss", shared, folder + "/full") > 0)

            var encodings: [[[UInt32]]] = []
            for run in [shared, folder + "/full"] {
                let (path, backbone) = (run + ".h5", run + ".safetensors")
                let test = "data.test=[\(sample("test"))]"
                try encode(
                    checkpoint(run, step: 8), overrides: [test], to: OutputFile(path), pool: .none,
                    in: silentContext())
                try export(
                    checkpoint(run, step: 8), to: OutputFile(backbone), part: .backbone, names: .kaon,
                    in: silentContext())
                try encode(
                    backbone, overrides: [test], to: OutputFile(run + "-exported.h5"), pool: .none,
                    in: silentContext())
                try world.barrier()
                encodings.append(try bits(path, ["encodings", "offsets"]))
                #expect(try bits(run + "-exported.h5", ["encodings", "offsets"]) == encodings.last)
            }
            #expect(encodings[0][1] == encodings[1][1] && encodings[0][0] != encodings[1][0])
        }
    }
}

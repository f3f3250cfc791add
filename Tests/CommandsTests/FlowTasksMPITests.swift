import Commands
import Foundation
import HDF5
import Jets
import MPI
import RunSupport
import Runs
import System
import TestSupport
import Testing
import Training

/// Flows, the probe, weights of identities and the set-to-set model in whole runs. Every test is collective.
@Suite(.serialized) struct FlowTasksMPITests {
    static let runs = ["flow", "flow_matching", "probe", "set_flow", "set_flow_classes"]

    /// A run of 8 steps on 1000 jets.
    private func options(_ name: String, _ directory: String, _ overrides: String...) throws -> RunOptions {
        let tasks =
            switch name {
            case "flow": "{particle_id: {class_weights: balanced}, flow: {context: 8, layers: 2, width: 8}}"
            case "flow_matching":
                "{particle_id: {}, kmeans: {clusters: 16, fit_jets: 50, iterations: 2}, "
                    + "flow_matching: {condition: 8, width: 16, decay: 0.9}}"
            default: "{regression: {}, probe: {interval: 3}}"
            }
        let isSet = name.hasPrefix("set_flow")
        let classes = name == "set_flow_classes" ? "\n  classes: true" : ""
        return try runOptions(
            """
            seed: 5
            run: {directory: \(directory)}
            data: {train: ["\(sample("val"))"], validation: ["\(sample("test"))"]}
            preprocessing: {jets: 500, quantiles: 100}
            objective: \(isSet ? "set_flow" : "mpm_v2")
            model:
              encoder: {width: 16, layers: 1, heads: 2, registers: 2, layer_scale: 0.1}
              decoder: {width: 16, layers: 1, heads: 2}\(classes)
            \(isSet ? "set_flow: {fit_jets: 100}" : "tasks: " + tasks)
            optimizer: {learning_rate: 5.0e-3}
            schedule: {warmup_steps: 4, half_life: 200}
            training: {steps: 8, batch_size: 37, micro_batch_size: 8, validation_interval: 4, validation_jets: 50,
                       checkpoint_interval: 1000, log_interval: 1}
            parallel: {threads: 1}
            """, overrides)
    }

    @Test(arguments: runs) func anyNumberOfRanksTrainsTheSameModel(name: String) throws {
        try withSharedFolder { folder in
            let (shared, alone) = (folder + "/shared", folder + "/alone-\(world.rank)")
            try train(options(name, shared))
            try train(options(name, alone), on: .selfOnly)
            for column in try MetricsTable(shared).columns where column.hasSuffix("_loss") {
                #expect(try difference(column, shared, alone) < 1e-4, "\(column)")
            }
        }
    }

    @Test(arguments: runs) func aStoppedRunResumesExactly(name: String) throws {
        try withSharedFolder { folder in
            try train(options(name, folder + "/straight"))
            try train(options(name, folder + "/resumed", "training.steps=5"))
            try train(options(name, folder + "/resumed"))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 8)
            guard name == "flow_matching" else { return }
            let group = "state/objective/tasks/flow_matching/average"
            let averages = try ["/straight", "/resumed"].map {
                try bits(group, of: checkpoint(folder + $0, step: 8))
            }
            #expect(averages[0].count == 16 && averages[0] == averages[1])
            // After eight steps the average is neither the weights nor what it was after five.
            let weights = try bits("model", of: checkpoint(folder + "/straight", step: 8))
            let bias = "head.output.bias"
            #expect(averages[0][bias] != nil && averages[0][bias] != weights["tasks.flow_matching." + bias])
            #expect(try bits(group, of: checkpoint(folder + "/resumed", step: 5)) != averages[0])
        }
    }

    /// At steps 1, 4, 7 and in validations; the total does not count it.
    @Test func theProbeIsToldWhenItLearns() throws {
        try withSharedFolder { folder in
            try train(options("probe", folder + "/run"))
            let table = try MetricsTable(folder + "/run")
            #expect(try table.values("train/probe_loss").count == 3)
            #expect(try table.values("train/probe_accuracy").count == 3)
            #expect(try table.values("valid/probe_accuracy").allSatisfy { 0...1 ~= $0 })
            #expect(try table.values("valid/total_loss") == table.values("valid/regression_loss"))
            let file = try File(opening: checkpoint(folder + "/run", step: 8))
            #expect(try file.root.group("state/classes").stringsAttribute("names").count == 10)
            #expect(try file.root.group("optimizer").intsAttribute("updates") == [8, 3])
        }
    }

    private func generation(_ jets: Int) -> GenerationOptions {
        var options = GenerationOptions(jets: jets)
        options.steps = 3
        options.seed = 7
        return options
    }

    /// All datasets under some names of a file, as numbers.
    private func contents(_ path: String, _ names: [String]) throws -> [[Float]] {
        let file = try File(opening: path)
        return try names.map { try file.root.read($0, as: Float.self) }
    }

    /// Expects two files to agree to the bit.
    private func expectSame(_ names: [String], _ a: String, _ b: String) throws {
        for (name, (first, second)) in zip(names, zip(try contents(a, names), try contents(b, names))) {
            #expect(!first.isEmpty && first.map(\.bitPattern) == second.map(\.bitPattern), "\(name)")
        }
    }

    /// Generates 61 jets on all ranks, and expects each rank alone to generate the same.
    private func expectTheSameJetsOnOneRank(_ model: String, _ all: String) throws {
        let alone = all + "-\(world.rank).h5"
        try generate(model, overrides: [], to: OutputFile(all), generation(61), in: silentContext())
        try generate(model, overrides: [], to: OutputFile(alone), generation(61), in: silentContext(.selfOnly))
        try world.barrier()
        try expectSame(["csts", "csts_id", "offsets", "labels"], all, alone)
    }

    @Test func jetsAreGeneratedTheSameOnAnyNumberOfRanks() throws {
        try withSharedFolder { folder in
            try train(options("set_flow", folder + "/run"))
            let model = checkpoint(folder + "/run", step: 8)
            let all = folder + "/all.h5"
            try expectTheSameJetsOnOneRank(model, all)
            // kaon reads it; constituents fall in pT, and neutral ones have no impact parameters.
            let block = try openJetFile(all, reading: JetReading(maxConstituents: 128)).read(rows: 0..<61)
            #expect(try JetStatistics([all]).jets == 61)
            for jet in 0..<61 {
                let tokens = block.offsets[jet]
                let momenta = tokens.map { block.values[7 * $0] }
                #expect(momenta == momenta.sorted(by: >) && !momenta.isEmpty)
            }
            for token in block.identities.indices where Identities.particles.isNeutral(block.identities[token]) {
                #expect(block.values[7 * token + 3..<7 * token + 7].allSatisfy { $0 == 0 })
            }
            var five = generation(4)
            five.constituents = 5
            try generate(model, overrides: [], to: OutputFile(all, overwrites: true), five, in: silentContext())
            try world.barrier()
            #expect(try contents(all, ["offsets"])[0] == [0, 5, 10, 15, 20])
        }
    }

    /// Labels in the proportions of the data or of the chosen class, with names; jets change with their class.
    @Test func jetsOfClassesAreGeneratedTheSameOnAnyNumberOfRanks() throws {
        try withSharedFolder { folder in
            try train(options("set_flow_classes", folder + "/run"))
            let model = checkpoint(folder + "/run", step: 8)
            let all = folder + "/all.h5"
            try expectTheSameJetsOnOneRank(model, all)
            let names = try File(opening: all).root.dataset("labels").stringsAttribute("names")
            #expect(names.count == 10)
            #expect(Set(try contents(all, ["labels"])[0]).count > 3)
            var csts: [[Float]] = []
            for label in [2, 5] {
                var options = generation(9)
                options.constituents = 4
                try generate(
                    model, overrides: ["generate.class=\(names[label])"], to: OutputFile(all, overwrites: true),
                    options, in: silentContext())
                try world.barrier()
                let found = try contents(all, ["labels", "csts"])
                #expect(found[0] == [Float](repeating: Float(label), count: 9))
                csts.append(found[1])
                try world.barrier()
            }
            #expect(csts[0] != csts[1])
        }
    }

    @Test(arguments: ["flow_matching", "set_flow", "set_flow_classes"])
    func droppedConstituentsAreRecoveredTheSameOnAnyNumberOfRanks(name: String) throws {
        try withSharedFolder { folder in
            try train(options(name, folder + "/run"))
            let model = checkpoint(folder + "/run", step: 8)
            let (all, alone) = (folder + "/all.h5", folder + "/alone-\(world.rank).h5")
            for (output, ranks) in [(all, world), (alone, Communicator.selfOnly)] {
                try reconstruct(
                    model, overrides: ["data.test=[\(sample("test"))]"], to: OutputFile(output), generation(50),
                    in: silentContext(ranks))
            }
            try world.barrier()
            let found = name.hasPrefix("set_flow") ? ["set_flow"] : ["kmeans", "flow_matching"]
            #expect(try File(opening: all).root.stringsAttribute("reconstructions") == found)
            let parts = ["original", "survivors", "dropped"] + found
            try expectSame(
                ["labels"] + parts.flatMap { ["\($0)/csts", "\($0)/csts_id", "\($0)/offsets"] }, all, alone)
            func count(_ part: String) throws -> Int { try contents(all, ["\(part)/csts_id"])[0].count }
            #expect(try count("original") == count("survivors") + count("dropped"))
            for part in found { #expect(try count(part) == count("dropped")) }
            // The jets are those of the file, in its units.
            let file = try openJetFile(sample("test"), reading: JetReading(maxConstituents: 128)).read(rows: 0..<50)
            let original = try contents(all, ["original/csts"])[0]
            #expect(original.count == file.values.count)
            let close = stride(from: 0, to: original.count, by: 7).count {
                abs(original[$0] - file.values[$0]) < 0.01 * file.values[$0]
            }
            #expect(close > 9 * original.count / 70)
        }
    }

    /// Two rows in front of the constituents of every jet, or their mean.
    @Test func encodingsAreTheSameOnAnyNumberOfRanks() throws {
        try withSharedFolder { folder in
            try train(options("set_flow", folder + "/run"))
            let model = checkpoint(folder + "/run", step: 8)
            let (all, alone) = (folder + "/all.h5", folder + "/alone-\(world.rank).h5")
            for (output, ranks) in [(all, world), (alone, Communicator.selfOnly)] {
                try encode(
                    model, overrides: ["data.test=[\(sample("test"))]"], to: OutputFile(output), pool: .none,
                    in: silentContext(ranks))
            }
            try world.barrier()
            try expectSame(["encodings", "offsets", "labels"], all, alone)
            let read = try contents(all, ["encodings", "offsets", "labels"])
            let jets = read[2].count
            let counts = try openJetFile(sample("test"), reading: JetReading(maxConstituents: 128))
                .constituentCounts(rows: 0..<jets)
            #expect(zip(read[1], read[1].dropFirst()).map { Int($1 - $0) } == counts.map { $0 + 2 })
            #expect(read[0].count == 16 * Int(read[1][jets]))

            let pooled = folder + "/pooled.h5"
            try encode(
                model, overrides: ["data.test=[\(sample("test"))]"], to: OutputFile(pooled), pool: .mean,
                in: silentContext())
            try world.barrier()
            let means = try contents(pooled, ["encodings"])[0]
            #expect(means.count == 16 * jets)
            for jet in [0, 7, jets - 1] {
                let rows = Int(read[1][jet])..<Int(read[1][jet + 1])
                for channel in 0..<16 {
                    let mean = rows.reduce(0) { $0 + read[0][16 * $1 + channel] } / Float(rows.count)
                    #expect(abs(mean - means[16 * jet + channel]) < 1e-4)
                }
            }
        }
    }
}

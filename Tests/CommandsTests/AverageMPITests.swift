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

/// The moving average of the weights exists once in the job and is part of checkpoints, validations and exports. Every
/// test is collective.
@Suite(.serialized) struct AverageMPITests {
    private static let settings = [
        "training.steps=12", "training.validation_interval=6", "schedule={name: constant}",
    ]

    private func run(_ folder: String, _ name: String, _ overrides: String...) throws -> RunOptions {
        try tinyRun(
            "\(folder)/\(name)",
            Self.settings + ["training.average={decay: 0.8}"] + overrides)
    }

    private func average(_ folder: String, _ name: String) throws -> [String: [UInt32]] {
        try bits("optimizer/average", of: checkpoint("\(folder)/\(name)", step: 12))
    }

    @Test(arguments: [[], ["parallel.ranks_per_group=1"], ["optimizer.name=muon"]])
    func anyNumberOfRanksAveragesTheSameWeights(overrides: [String]) throws {
        try withSharedFolder { folder in
            let alone = "alone-\(world.rank)"
            let (settings, name) = (overrides + ["training.average={decay: 0.8}", "training.steps=12"], folder + "/")
            try train(tinyRun(name + "shared", settings))
            try train(tinyRun(name + alone, settings), on: .selfOnly)
            #expect(try difference("valid/total_loss", name + "shared", name + alone) < 1e-3)
            let (shared, single) = (try average(folder, "shared"), try average(folder, alone))
            #expect(shared.count == single.count && single.count > 40)
            for (key, values) in single {
                let pairs = zip(try #require(shared[key]), values)
                #expect(pairs.allSatisfy { abs(Float(bitPattern: $0) - Float(bitPattern: $1)) < 1e-3 }, "\(key)")
            }
            let weights = try bits("model", of: checkpoint(name + alone, step: 12))
            #expect(weights.filter { $0.value != single[$0.key] }.count > 40)
        }
    }

    @Test func aStoppedRunResumesExactly() throws {
        try withSharedFolder { folder in
            try train(run(folder, "straight"))
            try train(run(folder, "resumed", "training.steps=7"))
            try train(run(folder, "resumed"))
            try expectSameRun(folder + "/straight", folder + "/resumed", step: 12)
            #expect(try average(folder, "straight").count > 40)
        }
    }

    /// A run goes on with the average that another number of ranks has written.
    @Test func anotherNumberOfRanksGoesOn() throws {
        try withSharedFolder { folder in
            try train(run(folder, "start", "training.steps=7"))
            let resume = "run.resume=\(checkpoint(folder + "/start", step: 7))"
            try train(run(folder, "shared", resume))
            try train(run(folder, "alone-\(world.rank)", resume), on: .selfOnly)
            let (shared, single) = (try average(folder, "shared"), try average(folder, "alone-\(world.rank)"))
            for (key, values) in single {
                let pairs = zip(try #require(shared[key]), values)
                #expect(pairs.allSatisfy { abs(Float(bitPattern: $0) - Float(bitPattern: $1)) < 1e-3 }, "\(key)")
            }
        }
    }

    /// Validations use the averages and leave the training as it is, bit for bit; `kaon evaluate` has the same loss.
    @Test func validationsUseTheAverage() throws {
        try withSharedFolder { folder in
            let all = "~training.validation_jets"
            try train(run(folder, "average", all))
            try train(run(folder, "weights", all, "training.average.evaluate=false"))
            try train(tinyRun(folder + "/none", Self.settings + [all]))
            for other in ["average", "weights"] {
                for group in ["model", "optimizer/first_moment"] {
                    let both = try [other, "none"].map { try bits(group, of: checkpoint("\(folder)/\($0)", step: 12)) }
                    #expect(both[0] == both[1])
                }
            }
            #expect(try average(folder, "average") == average(folder, "weights"))
            func losses(_ name: String) throws -> [Double] {
                try MetricsTable("\(folder)/\(name)").values("valid/regression_loss")
            }
            #expect(try losses("weights") == losses("none"))
            #expect(try zip(losses("average"), losses("none")).allSatisfy { abs($0 - $1) > 1e-4 })

            func evaluated(_ overrides: String...) throws -> Double {
                let model = try TrainedModel(
                    checkpoint(folder + "/average", step: 12), overrides: ["data.test=[\(sample("test"))]"] + overrides)
                try evaluate(model, output: folder + "/evaluation", in: silentContext())
                try world.barrier()
                struct Report: Codable { var measures: [String: Double] }
                let path = URL(fileURLWithPath: folder + "/evaluation/metrics.json")
                let report = try JSONDecoder().decode(Report.self, from: Data(contentsOf: path))
                try world.barrier()
                return try #require(report.measures["regression_loss"])
            }
            #expect(try abs(evaluated() / losses("average").last! - 1) < 1e-5)
            let weights = try losses("weights").last!
            #expect(try abs(evaluated("training.average.evaluate=false") / weights - 1) < 1e-5)
        }
    }

    /// A run that had no average starts one at the weights of its checkpoint; without the key it goes on without.
    @Test func theAverageCanBeAddedAndLeftOut() throws {
        try withSharedFolder { folder in
            try train(tinyRun(folder + "/run", "training.steps=6"))
            try train(run(folder, "run", "training.steps=7"))
            let added = try bits("optimizer/average", of: checkpoint(folder + "/run", step: 7))
            let (before, after) = (
                try bits("model", of: checkpoint(folder + "/run", step: 6)),
                try bits("model", of: checkpoint(folder + "/run", step: 7))
            )
            // After 7 updates the decay is 8/17.
            for (key, average) in added {
                for (i, value) in average.enumerated() {
                    let (old, new) = (Float(bitPattern: before[key]![i]), Float(bitPattern: after[key]![i]))
                    #expect(abs(Float(bitPattern: value) - old - (new - old) * 9 / 17) < 1e-6, "\(key)")
                }
            }
            try train(tinyRun(folder + "/run", "training.steps=8"))
            let root = try File(opening: checkpoint(folder + "/run", step: 8)).root
            #expect(try !root.group("optimizer").contains("average"))
        }
    }

    /// The card of an export has no results of other weights: not those of the averages for the weights of the last
    /// step, nor the reverse.
    @Test func cardsHaveTheResultsOfTheirWeights() throws {
        try withSharedFolder { folder in
            try train(run(folder, "run"))
            let trained = checkpoint(folder + "/run", step: 12)
            func card(average: Bool) throws -> String {
                let output = OutputFile(folder + "/model.safetensors", overwrites: true)
                try export(
                    trained, to: output, part: .model, names: .kaon, average: average,
                    card: CardRequest(beside: output, license: nil), in: silentContext())
                try world.barrier()
                defer { try? world.barrier() }
                return try String(contentsOfFile: folder + "/README.md", encoding: .utf8)
            }
            func evaluate(_ overrides: String...) throws {
                try Commands.evaluate(
                    trained, overrides: ["data.test=[\(sample("test"))]"] + overrides, output: nil, overwrites: true,
                    in: silentContext())
                try world.barrier()
            }
            func expectNoResults(_ card: String, _ weights: String) {
                #expect(card.contains("\(weights). They have not been evaluated: the results of the run are"))
                #expect(!card.contains("model-index:") && !card.contains("| measure |"))
            }
            #expect(try card(average: true).contains("On the validation jets:"))
            expectNoResults(try card(average: false), "These are the weights of the last step")
            try evaluate()
            #expect(try card(average: true).contains("On 1000 test jets:"))
            expectNoResults(try card(average: false), "These are the weights of the last step")
            try evaluate("training.average.evaluate=false")
            #expect(try card(average: true).contains("On the validation jets:"))
            #expect(try card(average: false).contains("On 1000 test jets:"))

            // A report of an earlier version is of this step and of what the configuration evaluates; one with another
            // checksum is of other weights.
            let path = folder + "/run/evaluation/metrics.json"
            let report = try String(contentsOfFile: path, encoding: .utf8)
            let lines = report.split(separator: "\n")
            let unnamed = lines.filter { !$0.contains("\"average\"") && !$0.contains("\"checkpoint_checksum\"") }
            #expect(unnamed.count == lines.count - 2)
            let other = report.replacing(/"checkpoint_checksum" : "\w+"/, with: "\"checkpoint_checksum\" : \"0\"")
            func replaceReport(_ text: String) throws {
                try world.barrier()
                _ = try world.onRoot { try text.write(toFile: path, atomically: true, encoding: .utf8) }
                try world.barrier()
            }
            try replaceReport(unnamed.joined(separator: "\n"))
            #expect(try card(average: true).contains("On 1000 test jets:"))
            expectNoResults(try card(average: false), "These are the weights of the last step")
            try replaceReport(other)
            #expect(try card(average: true).contains("On the validation jets:"))

            try train(run(folder, "weights", "training.average.evaluate=false"))
            let output = OutputFile(folder + "/model.safetensors", overwrites: true)
            try export(
                checkpoint(folder + "/weights", step: 12), to: output, part: .model, names: .kaon, average: true,
                card: CardRequest(beside: output, license: nil), in: silentContext())
            try world.barrier()
            expectNoResults(
                try String(contentsOfFile: folder + "/README.md", encoding: .utf8),
                "These are the moving averages of the weights (`training.average`)")
        }
    }

    @Test func theAverageIsExportedOnRequest() throws {
        try withSharedFolder { folder in
            try train(run(folder, "run"))
            let (trained, path) = (checkpoint(folder + "/run", step: 12), folder + "/average.safetensors")
            try export(
                trained, to: OutputFile(path), part: .model, names: .kaon, average: true, in: silentContext())
            try world.barrier()
            let file = try SafetensorsFile(contentsOf: path)
            for (name, values) in try average(folder, "run") {
                #expect(try file.floats(name).map(\.bitPattern) == values, "\(name)")
            }
            try train(tinyRun(folder + "/none", "training.steps=1"))
            let text = failure {
                try export(
                    checkpoint(folder + "/none", step: 1), to: OutputFile(folder + "/none.safetensors"),
                    part: .backbone, names: .kaon, average: true, in: silentContext())
            }
            #expect(text.contains("has no moving average of the weights"))
            #expect(!FileManager.default.fileExists(atPath: folder + "/none.safetensors"))
        }
    }
}

import Configuration
import Foundation
import Models
import NN
import Objectives
import RunSupport
import Runs
import TestSupport
import Testing

/// Configurations and checkpoints of versions that lacked some keys.
@Suite struct EarlierVersionsTests {
    private let flow = "{data: {train: t.h5}, tasks: {flow: {}}}"

    /// A checkpoint with the given configuration.
    private func write(_ configuration: String, to path: String) throws {
        let optimizer = AdamW(parameters([[2, 3]]))
        try Checkpoint.write(
            to: path, parameters: optimizer.parameters, values: TrainedValues(of: optimizer), state: TrainingState(),
            configuration: configuration
        ) { _ in }
    }

    private func values(_ configuration: String, _ key: String) throws -> String? {
        try withScratchFolder { folder in
            try write(configuration, to: folder + "/c.h5")
            return try Configuration(ofCheckpoint: folder + "/c.h5").value(of: key)
        }
    }

    @Test func missingKeysHaveTheirFormerValues() throws {
        let former = [
            ("{tasks: {flow: {weight: 1, context: 128, layers: 6}}}", "tasks.flow.context", "hidden"),
            ("{tasks: {flow: {weight: 1, context: 64, layers: 6}}}", "tasks.flow.condition", "64"),
            ("{tasks: {flow: {condition: 64, context: input}}}", "tasks.flow.context", "input"),
            ("{tasks: {flow: null, kmeans: {}}}", "tasks.flow.context", nil),
            ("{objective: classification, head: {name: class_attention}}", "head.norm", "false"),
            ("{objective: cwola, head: {width: 8}}", "head.norm", "false"),
            ("{objective: cwola, head: {norm: true}}", "head.norm", "true"),
            ("{objective: classification, head: {name: weighted_pooling}}", "head.norm", nil),
            ("{objective: vertexing, head: {width: 8}}", "head.norm", nil),
            ("{objective: track_origin, head: {width: 8}}", "head.label_smoothing", "0.0"),
        ]
        for (configuration, key, value) in former {
            #expect(try values(configuration, key) == value, "\(configuration)")
        }
    }

    private func flowOptions(_ options: RunOptions) throws -> ConditionalFlow.Options {
        guard case .mpmV2(let model) = options.objective else { throw ObjectiveError("another objective") }
        return try #require(model.tasks[ConditionalFlow.Options.self])
    }

    /// A number in `tasks.flow.context` was the number of channels.
    @Test func channelsOfTheContext() throws {
        let options = try flowOptions(runOptions(flow, ["tasks.flow.context=64"]))
        #expect(options.condition == 64 && options.context == .input)
        #expect(try flowOptions(runOptions(flow)).condition == 128)
        let text = failure { _ = try runOptions(flow, ["tasks.flow={condition: 64, context: 64}"]) }
        #expect(text.contains("tasks.flow.context") && text.contains("input"), "\(text)")
    }

    /// A run keeps the form of its checkpoint unless it is told otherwise.
    @Test func runsKeepTheFormOfTheirCheckpoint() throws {
        try withScratchFolder { folder in
            let (run, path) = (folder + "/run", folder + "/x.yaml")
            func context(_ overrides: String...) throws -> CouplingFlow.ContextPlace {
                try flow.write(toFile: path, atomically: true, encoding: .utf8)
                let options = try RunOptions.configuration(
                    path, overrides: ["run.directory=\(run)"] + overrides, on: alone)
                return try flowOptions(options).context
            }
            #expect(try context() == .input)
            let former = "{objective: mpm_v2, tasks: {flow: {context: 128}}}"
            try write(former, to: folder + "/other.h5")
            #expect(try context("run.resume=\(folder)/other.h5") == .hidden)
            #expect(try context("model.initial_weights=\(folder)/other.h5") == .hidden)
            try FileManager.default.createDirectory(atPath: run + "/checkpoints", withIntermediateDirectories: true)
            try write(former, to: run + "/checkpoints/step-00000004.h5")
            #expect(try context() == .hidden)
            #expect(try context("tasks.flow.context=input") == .input)
            #expect(try context("run.resume=never") == .input)
            #expect(try context("model.initial_weights=\(folder)/none.h5") == .hidden)
            try write("{objective: mpm_v2, tasks: {flow: {context: input}}}", to: run + "/checkpoints/step-00000005.h5")
            #expect(try context() == .input)
        }
    }
}

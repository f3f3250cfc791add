import Configuration
import Objectives
import Testing

@Suite struct FineTuningTests {
    private func tuning(_ overrides: String...) throws -> FineTuning {
        var configuration = try Configuration(yaml: "backbone: pretrained.h5")
        for override in overrides { try configuration.override(override) }
        return try FineTuning(from: configuration.section())
    }

    /// Frozen, rising, and at the rate of the head.
    @Test func theLearningRateOfTheBackboneRises() throws {
        let tuning = try tuning("fine_tuning.frozen_steps=2", "fine_tuning.catch_up_steps=4")
        #expect((0..<8).map { tuning.factor(step: $0) } == [0, 0, 0.25, 0.5, 0.75, 1, 1, 1])
        #expect(tuning.frozenSteps(of: 10) == 2 && tuning.frozenSteps(of: 1) == 1)
    }

    @Test func theBackboneMayLearnMoreSlowly() throws {
        let tuning = try tuning(
            "fine_tuning.frozen_steps=1", "fine_tuning.catch_up_steps=2", "fine_tuning.learning_rate_ratio=0.5")
        #expect((0..<4).map { tuning.factor(step: $0) } == [0, 0.25, 0.5, 0.5])
        let others = ["fixed": 0.0, "scratch": 1.0]
        for (mode, factor) in others {
            let tuning = try self.tuning("backbone_mode=\(mode)", "fine_tuning.learning_rate_ratio=0.5")
            #expect(tuning.factor(step: 100) == factor)
        }
        #expect(throws: ConfigurationError.self) { try self.tuning("fine_tuning.learning_rate_ratio=0") }
    }

    /// Inference encodes jets in whole batches, and keeps no encodings.
    @Test func inferenceHasNoCache() throws {
        var configuration = try Configuration(yaml: "objective: classification")
        for text in ["backbone_mode=scratch", "fine_tuning.cache=auto"] { try configuration.override(text) }
        let options = try ObjectiveOptions(from: configuration.section())
        #expect(options.fineTuning?.cache == .auto && options.withoutEncodingCache.fineTuning?.cache == .never)
    }
}

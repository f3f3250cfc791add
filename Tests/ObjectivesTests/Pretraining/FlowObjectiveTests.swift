import Jets
import Models
import NN
import Objectives
import Tensors
import TestSupport
import Testing

/// Flows, the set-to-set model and the probe, each on one batch of 32 jets: training and sampling.
@Suite struct FlowObjectiveTests {
    private let shape = JetShape(
        .all, maxConstituents: SampleJets.maxConstituents, classes: JetClasses((0..<10).map { "class \($0)" })
    )

    private func objective(_ change: (inout ReconstructionTasks) -> Void) -> MaskedParticleModelling {
        var options = smallOptions()
        change(&options.tasks)
        if options.tasks[VQVAETaskOptions.self] != nil {
            // Untrained weights are sufficient here.
            let stack = NormformerShape(width: 16, layers: 1, heads: 2, hidden: 16)
            var tokenizer = VQVAEOptions()
            (tokenizer.encoder, tokenizer.decoder) = (stack, stack)
            tokenizer.quantiser = VectorQuantiser.Shape(codes: 16, dimension: 4)
            options.tokenizer = tokenizer
        }
        return MaskedParticleModelling(options, shape, seed: 3)
    }

    private func setFlow(classes: Bool = false, generating name: String? = nil) -> SetFlowTraining {
        var options = SetFlowOptions()
        (options.usesClasses, options.generatedClass) = (classes, name)
        options.encoder = smallOptions().encoder
        (options.width, options.layers, options.heads) = (48, 2, 4)
        return SetFlowTraining(options, shape, seed: 3)
    }

    private static func smallFlow() -> ConditionalFlow.Options {
        var options = ConditionalFlow.Options()
        (options.condition, options.width, options.layers) = (32, 32, 4)
        return options
    }

    private static func smallMatching() -> ConditionalFlowMatching.Options {
        var options = ConditionalFlowMatching.Options()
        (options.condition, options.width) = (32, 64)
        return options
    }

    /// From about 7 · 1.42, the entropy of seven standard normal numbers.
    @Test func theFlowOverfits() throws {
        let run = try Overfitting(objective { $0[ConditionalFlow.Options.self] = Self.smallFlow() }, steps: 200)
        let (names, first, last) = (run.names, run.first, run.last)
        #expect(names == ["flow"])
        #expect(first[0] > 8 && first[0] < 14)
        #expect(last[0] < first[0] - 5)
    }

    /// From about 2, the variance of noise minus data.
    @Test func flowMatchingOverfits() throws {
        let objective = objective { $0[ConditionalFlowMatching.Options.self] = Self.smallMatching() }
        let run = try Overfitting(objective, steps: 200)
        let (names, first, last) = (run.names, run.first, run.last)
        #expect(names == ["flow_matching"])
        #expect(first[0] > 1.4)
        #expect(last[0] < 0.5 * first[0])
    }

    /// From about 1.2: seven channels of 2, eight of 1 and the one-hot ones.
    @Test(arguments: [false, true]) func theSetFlowOverfits(classes: Bool) throws {
        let run = try Overfitting(setFlow(classes: classes), steps: 200)
        let (names, first, last) = (run.names, run.first, run.last)
        #expect(names == ["set_flow"])
        #expect(first[0] > 1)
        #expect(last[0] < 0.55 * first[0])
    }

    @Test func theProbeOverfits() throws {
        let objective = objective {
            $0[Regression.Options.self] = .init()
            $0.probe = .init()
        }
        let run = try Overfitting(objective, steps: 200)
        let (names, first, last) = (run.names, run.first, run.last)
        #expect(names == ["regression", "probe", "probe_accuracy"])
        #expect(first[2] < 0.5 && last[1] < 0.5 * first[1] && last[2] > 0.7)
    }

    /// The loss of the probe has no gradient for the backbone, and is left out of the total loss.
    @Test func theProbeLeavesTheBackboneAlone() throws {
        let objective = objective {
            $0[Regression.Options.self] = .init()
            $0.probe = .init()
        }
        #expect(objective.terms.map(\.weightInTotal) == [1, 0, 0])
        #expect(objective.terms.map(\.column) == ["regression_loss", "probe_loss", "probe_accuracy"])
        let batch = try SampleJets.batch()
        let part = objective.prepare(batch, phase: .training(step: 0))
        #expect(Array(part.counts.dropFirst()) == [32, 32])
        objective.parameters.resetGradients()
        let tape = Tape()
        _ = part.evaluate([0, 1, 0], tape)
        tape.backward()
        objective.parameters.zeroUnusedGradients()
        for parameter in objective.parameters.parameters {
            let largest = objective.parameters.gradients.buffer[parameter.range].reduce(0) {
                max($0, abs($1))
            }
            #expect(
                (largest > 0) == parameter.name.hasPrefix("tasks.probe."), "\(parameter.name): \(largest)")
        }
        // The probe is not evaluated at other steps.
        let between = objective.prepare(batch, phase: .training(step: 7))
        #expect(Array(between.counts.dropFirst()) == [0, 0])
        #expect(Array(between.evaluate([0, 0, 0], Tape(recording: false)).dropFirst()) == [0, 0])
        #expect(objective.prepare(batch, phase: .training(step: 100)).counts[1] == 32)
    }

    /// Between its updates the probe keeps its values and the state of the optimizer, while the model learns.
    @Test func theProbeRestsBetweenItsUpdates() throws {
        let objective = objective {
            $0[Regression.Options.self] = .init()
            $0.probe = .init()
            $0.probe?.interval = 3
        }
        let store = objective.parameters
        let optimizer = AdamW(store, .init(weightDecay: 0.1))
        #expect(store.groups.map(\.name) == ["model", "probe"])
        #expect(store.parameters[store.groups[1].parameters].allSatisfy { $0.name.hasPrefix("tasks.probe.") })
        /// Values and moments of a group.
        func contents(_ group: Int) -> [[Float]] {
            let range = store.groups[group].elements
            return [store.values, optimizer.firstMoment, optimizer.secondMoment].map { Array($0.buffer[range]) }
        }
        let batch = try SampleJets.batch()
        for step in 0..<7 {
            let before = [contents(0), contents(1)]
            let part = objective.prepare(batch, phase: .training(step: step))
            store.resetGradients()
            let tape = Tape()
            _ = part.evaluate(zip(objective.terms, part.counts).map { $1 > 0 ? Float($0.weight / $1) : 0 }, tape)
            tape.backward()
            store.zeroUnusedGradients()
            optimizer.step(learningRate: 0.01, factors: objective.learningRateFactors(step: step))
            #expect(contents(0) != before[0])
            #expect((contents(1) == before[1]) == (step % 3 != 0), "step \(step)")
        }
        #expect(optimizer.state.updates == [7, 3])
    }

    /// Times and noise depend on seed, epoch, jet, constituent and phase, not on the other jets of the batch.
    @Test(arguments: ["flow", "flow_matching", "set_flow", "set_flow with classes"])
    func lossesAddUp(name: String) throws {
        let objective: any Objective =
            switch name {
            case "flow": objective { $0[ConditionalFlow.Options.self] = Self.smallFlow() }
            case "flow_matching": objective { $0[ConditionalFlowMatching.Options.self] = Self.smallMatching() }
            default: setFlow(classes: name == "set_flow with classes")
            }
        _ = try Overfitting(objective, steps: 5)  // a new decoder answers zero
        let batch = try SampleJets.batch()
        func sums(_ parts: [Range<Int>], _ phase: Phase) -> (loss: Double, count: Double) {
            parts.reduce((0, 0)) { sum, range in
                let part = objective.prepare(batch.slice(jets: range), phase: phase)
                return (sum.0 + part.evaluate([0], Tape(recording: false))[0], sum.1 + part.counts[0])
            }
        }
        let whole = sums([0..<32], .training(step: 0))
        let parts = sums([20..<32, 0..<1, 1..<20], .training(step: 5))
        #expect(whole.count == parts.count && abs(whole.loss - parts.loss) < 1e-5 * abs(whole.loss))
        let validation = sums([0..<32], .validation)
        #expect(abs(validation.loss - whole.loss) > 1e-4 * abs(whole.loss))
    }

    /// Every task draws a value for every dropped constituent, independent of the other jets of the batch.
    @Test func everyTaskDraws() throws {
        let objective = objective {
            $0[ParticleIdentification.Options.self] = .init()
            $0[Regression.Options.self] = .init()
            $0[KMeansTaskOptions.self] = fewClusters()
            $0[VQVAETaskOptions.self] = .init()
            $0[ConditionalFlow.Options.self] = Self.smallFlow()
            $0[ConditionalFlowMatching.Options.self] = Self.smallMatching()
        }
        _ = try Overfitting(objective, steps: 20)
        #expect(objective.reconstructions == ["regression", "kmeans", "vqvae", "flow", "flow_matching"])
        let batch = try SampleJets.batch()
        let isDropped = RandomMasking(fraction: 0.4).dropped(in: batch, seed: 1, stream: .validationMasking)
        func draw(_ range: Range<Int>, seed: UInt64 = 1) throws -> (MaskedJets, [Reconstruction]) {
            let tokens =
                batch.offsets[range.lowerBound].lowerBound..<batch.offsets[range.upperBound - 1].upperBound
            let jets = MaskedJets(
                batch.slice(jets: range), mask: Array(isDropped[tokens]), phase: .validation, seed: seed)
            return (jets, try objective.reconstruct(jets, SamplingOptions(solver: .euler(steps: 5))))
        }
        let (jets, found) = try draw(0..<32)
        let (first, part) = try draw(0..<9)
        let (_, other) = try draw(0..<32, seed: 2)
        #expect(found.count == 5)
        for (index, name) in objective.reconstructions.enumerated() {
            let values = try #require(found[index].values)
            #expect(values.shape == jets.dropped.values.shape && values.array.allSatisfy(\.isFinite))
            let own = try #require(part[index].values)
            let pairs = zip(own.array, values.rows(0..<first.dropped.offsets.tokens).array)
            #expect(pairs.allSatisfy { abs($0 - $1) < 1e-4 }, "\(name)")
            let identities = try #require(found[index].identities)
            #expect(identities.count == values.rows && identities.allSatisfy { 0..<8 ~= $0 })
            let isRandom = try #require(other[index].values).array != values.array
            #expect(isRandom == (name != "regression"), "\(name)")
        }
        // The most likely tokens do not depend on the seed. The features of tokens are centroids.
        func likeliest(_ seed: UInt64) throws -> [Float] {
            let jets = MaskedJets(batch, mask: isDropped, phase: .validation, seed: seed)
            let options = SamplingOptions(solver: .euler(steps: 5), takesMostLikely: true)
            return try objective.reconstruct(jets, options)[2].values!.array
        }
        #expect(try likeliest(1) == likeliest(2))
        let centroids = Set((0..<16).map { objective.kmeans!.centroids!.rows($0..<$0 + 1).array })
        let drawn = found[1].values!
        #expect((0..<drawn.rows).allSatisfy { centroids.contains(drawn.rows($0..<$0 + 1).array) })
    }

    /// Generated jets have numbers of constituents as in the data, or the given number.
    @Test func jetsAreGenerated() throws {
        let objective = setFlow()
        let loader = try SampleJets.loader()
        try objective.fit(to: loader, on: alone) { _ in }
        let options = SamplingOptions(solver: .euler(steps: 2))
        let jets = try objective.generate(0..<200, constituents: nil, seed: 1, options)
        let counts = (0..<200).map { jets.offsets[$0].count }
        let offsets = try (0..<20).map { try loader.batch(epoch: 0, step: $0).offsets }
        let known = offsets.flatMap { offsets in (0..<offsets.jets).map { offsets[$0].count } }
        func mean(_ values: [Int]) -> Double { Double(values.reduce(0, +)) / Double(values.count) }
        #expect(Set(counts).isSubset(of: Set(known)))
        #expect(abs(mean(counts) - mean(known)) < 1)
        #expect(jets.values.columns == 7 && jets.values.array.allSatisfy(\.isFinite))
        let five = try objective.generate(3..<5, constituents: 5, seed: 1, options)
        #expect(five.offsets.values == [0, 5, 10])

        let copy = setFlow()
        try copy.restore(objective.state)
        let again = try copy.generate(10..<20, constituents: nil, seed: 1, options)
        #expect((0..<10).map { again.offsets[$0].count } == Array(counts[10..<20]))
    }

    /// Classes in the proportions of the data, each with its own numbers of constituents, or a chosen class.
    @Test func jetsHaveClasses() throws {
        let objective = setFlow(classes: true)
        let loader = try SampleJets.loader()
        try objective.fit(to: loader, on: alone) { _ in }
        let batches = try (0..<20).map { try loader.batch(epoch: 0, step: $0) }
        let known = batches.flatMap { batch in
            (0..<batch.count).map { (label: batch.labels[$0], count: batch.offsets[$0].count) }
        }
        let labels = try #require(try objective.labels(ofGenerated: 0..<4000, seed: 1))
        for label in 0..<Int32(10) {
            let (share, wanted) = (
                Double(labels.count { $0 == label }) / 4000,
                Double(known.count { $0.label == label }) / Double(known.count)
            )
            // Four standard deviations of 4000 draws, and what is after the 20 batches.
            #expect(abs(share - wanted) < 4 * (0.1 / 4000).squareRoot() + 0.03, "\(label): \(share), \(wanted)")
        }
        let options = SamplingOptions(solver: .euler(steps: 2))
        let jets = try objective.generate(0..<100, constituents: nil, seed: 1, options)
        for jet in 0..<100 {
            #expect(known.contains { $0.label == labels[jet] && $0.count == jets.offsets[jet].count })
        }
        // The class of a jet depends on its number alone.
        #expect(try objective.labels(ofGenerated: 40..<60, seed: 1) == Array(labels[40..<60]))
        #expect(try objective.labels(ofGenerated: 0..<4000, seed: 2) != labels)

        let chosen = setFlow(classes: true, generating: "class 4")
        #expect(throws: ObjectiveError.self) { try chosen.labels(ofGenerated: 0..<1, seed: 1) }
        try chosen.restore(objective.state)
        #expect(try chosen.labels(ofGenerated: 0..<3, seed: 1) == [4, 4, 4])
        let unknown = setFlow(classes: true, generating: "Hbb")
        try unknown.restore(objective.state)
        #expect(throws: ObjectiveError.self) { try unknown.labels(ofGenerated: 0..<1, seed: 1) }
        // A state without classes does not fit, and the reverse.
        #expect(throws: ObjectiveError.self) { try setFlow().restore(objective.state) }
        #expect(try setFlow().labels(ofGenerated: 0..<3, seed: 1) == nil)
    }

    /// The loss of a trained model is that of the class of the jets.
    @Test func theLossChangesWithTheClass() throws {
        let objective = setFlow(classes: true)
        _ = try Overfitting(objective, steps: 50)
        let batch = try SampleJets.batch()
        func loss(_ labels: [Int32]) -> Double {
            let other = JetBatch(
                jets: batch.jets, epoch: batch.epoch, offsets: batch.offsets, values: batch.values,
                identities: batch.identities, labels: labels, momenta: batch.momenta)
            return objective.prepare(other, phase: .training(step: 0)).evaluate([0], Tape(recording: false))[0]
        }
        let own = loss(batch.labels)
        #expect(own < loss(batch.labels.map { ($0 + 1) % 10 }))
    }

    /// a_n = a + max(1 − decay, 1/n)(θ − a), which a state restores.
    @Test func theMovingAverageFollowsTheWeights() throws {
        let objective = objective {
            $0[ConditionalFlowMatching.Options.self] = Self.smallMatching()
            $0[ConditionalFlowMatching.Options.self]!.decay = 0.75
        }
        let task = try #require(objective.tasks[0] as? ConditionalFlowMatching)
        let name = "head.output.bias"
        let parameter = try #require(objective.parameters["tasks.flow_matching." + name])
        var expected = 0.0
        for (step, value) in [2.0, 4.0, 9.0, 1.0, 5.0].enumerated() {
            parameter.variable.value.buffer[0] = Float(value)
            expected += max(0.25, 1 / Double(step + 1)) * (value - expected)
            _ = objective.stepDidEnd(step, isSkipped: false, on: .selfOnly)
        }
        // A skipped step changes nothing.
        parameter.variable.value.buffer[0] = 1000
        _ = objective.stepDidEnd(5, isSkipped: true, on: .selfOnly)
        let average = try #require(task.average.values[name])
        #expect(abs(Double(average.variable.value.buffer[0]) - expected) < 1e-5)
        #expect(task.average.updates == 5)

        let state = objective.state
        _ = objective.stepDidEnd(6, isSkipped: false, on: .selfOnly)
        #expect(abs(Double(average.variable.value.buffer[0]) - expected) > 1, "the state is a copy")
        try objective.restore(state)
        #expect(abs(Double(average.variable.value.buffer[0]) - expected) < 1e-5 && task.average.updates == 5)
        #expect(throws: ObjectiveError.self) { try objective.restore(ObjectiveState()) }
    }
}

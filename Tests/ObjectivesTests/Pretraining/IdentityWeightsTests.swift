import Configuration
import Jets
import Models
import NN
import Objectives
import Tensors
import TestSupport
import Testing

/// Weights of the identities in the loss of `particle_id`.
@Suite struct IdentityWeightsTests {
    private func options(_ yaml: String) throws -> ParticleIdentification.Options {
        try .init(from: Configuration(yaml: yaml, name: "x.yaml").section())
    }

    private func task(_ weights: IdentityWeights, smoothing: Double = 0) -> ParticleIdentification {
        var options = ParticleIdentification.Options()
        options.classWeights = weights
        options.labelSmoothing = smoothing
        let builder = ParameterBuilder()
        let task = ParticleIdentification(options, width: 4, identities: 8, in: builder.root)
        _ = builder.build(seed: 1)
        return task
    }

    private let jets = MaskedJets(
        batch(
            Constituents(
                values: Tensor(repeating: 0, shape: [3, 7]), identities: [0, 3, 3], offsets: Offsets(counts: [3]))),
        mask: [true, true, true], phase: .validation, seed: 0)
    private let decoded = Variable(constant: Tensor([1, 0, 2, 0, 0, 1, 1, -1, 0, 1, 1, -1], shape: [3, 4]))

    @Test func theKeyHasThreeForms() throws {
        #expect(try options("{}").classWeights == .equal)
        #expect(try options("{class_weights: balanced}").classWeights == .balanced)
        #expect(
            try options("{class_weights: [1, 2, 3, 4, 5, 6, 7, 0]}").classWeights
                == .given([1, 2, 3, 4, 5, 6, 7, 0]))
    }

    @Test(arguments: ["[0, 0, 0, 0, 0, 0, 0, 0]", "heavy", "[1, 1, 1, 1, 1, 1, 1, -1]"])
    func otherValuesAreRefused(value: String) throws {
        let error = #expect(throws: ConfigurationError.self) { try options("{class_weights: \(value)}") }
        #expect("\(try #require(error))".contains("class_weights"))
    }

    /// Σ w CE / Σ w, like PyTorch's weighted mean.
    @Test func givenWeightsCount() {
        let (plain, weighted) = (task(.equal), task(.given([2, 1, 1, 0.5, 1, 1, 1, 1])))
        #expect(plain.count(jets) == 3 && weighted.count(jets) == 3)
        let photon = task(.given([1, 1, 1, 0, 1, 1, 1, 1])).loss(
            decoded, jets, scale: 1, on: Tape(recording: false))
        let all = plain.loss(decoded, jets, scale: 1, on: Tape(recording: false))
        let found = weighted.loss(decoded, jets, scale: 1, on: Tape(recording: false))
        #expect(abs(found - (2 * photon + 0.5 * (all - photon))) < 1e-5)
    }

    /// N / (8 n), from the data; kept in the state.
    @Test func balancedWeightsAreThoseOfTheData() throws {
        let loader = try SampleJets.loader()
        let task = task(.balanced)
        try task.fit(to: loader, on: alone) { _ in }
        var counts = [Double](repeating: 0, count: 8)
        for step in 0..<loader.stepsPerEpoch {
            for identity in try loader.batch(epoch: 0, step: step).identities { counts[Int(identity)] += 1 }
        }
        let expected = counts.map { $0 == 0 ? 0 : counts.reduce(0, +) / (8 * $0) }
        let stored = try #require(task.state.tensors["class_weights"]).array
        #expect(zip(stored, expected).allSatisfy { abs(Double($0) / $1 - 1) < 1e-6 })
        #expect(abs(task.count(jets) / (expected[0] + 2 * expected[3]) - 1) < 1e-6)

        let other = self.task(.balanced)
        #expect(throws: ObjectiveError.self) { try other.restore(ObjectiveState()) }
        try other.restore(task.state)
        #expect(other.count(jets) == task.count(jets))
    }

    /// There are no photons or neutral hadrons among the tracks: with weights of N / 8 they would raise the smoothed
    /// loss of the others to about 100.
    @Test func anIdentityThatDoesNotOccurCountsNothing() throws {
        let tracks = try JetDataset(paths: [sample("btag")], reading: JetReading(maxConstituents: 15), on: alone)
        let loader = JetLoader(
            dataset: tracks,
            preprocessing: try QuantilePreprocessing.fit(tracks, jets: 200, quantiles: 20, on: alone),
            order: .init(batchSize: 50, seed: 5, shuffle: false))
        let task = task(.balanced, smoothing: 0.1)
        try task.fit(to: loader, on: alone) { _ in }
        let weights = try #require(task.state.tensors["class_weights"]).array
        #expect(weights[0] == 0 && weights[2] == 0 && weights[1] > 0 && weights[3] > 0)
        let hadrons = MaskedJets(
            batch(
                Constituents(
                    values: Tensor(repeating: 0, shape: [2, 7]), identities: [1, 3], offsets: Offsets(counts: [2]))),
            mask: [true, true], phase: .validation, seed: 0)
        let decoded = Variable(constant: Tensor(repeating: 0, shape: [2, 4]))
        let loss = task.loss(decoded, hadrons, scale: Float(1 / task.count(hadrons)), on: Tape(recording: false))
        #expect(abs(loss / task.count(hadrons)) < 20, "\(loss)")
    }
}

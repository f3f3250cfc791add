import Jets
import Objectives
import Testing

/// Every task overfits one batch of 32 jets, which shows that its gradients reach all parameters that matter.
@Suite struct OverfittingTests {
    private func train(_ options: MaskedParticleOptions) throws -> Overfitting {
        let jets = JetShape(features: 7, maxConstituents: SampleJets.maxConstituents)
        let objective = MaskedParticleModelling(options, jets, seed: 3)
        try objective.useFittedTokenizer(fewCodes(), jets)
        return try Overfitting(objective)
    }

    /// From about ln 8 for eight identities.
    @Test func particleIdentification() throws {
        var options = smallOptions()
        options.tasks[ParticleIdentification.Options.self] = .init()
        options.tasks[ParticleIdentification.Options.self]!.labelSmoothing = 0
        let found = try train(options)
        #expect(found.names == ["particle_id"])
        #expect(found.first[0] > 1.4)
        #expect(found.last[0] < 0.1 * found.first[0])
    }

    /// From about the mean magnitude of a standard normal number, 0.8.
    @Test func regression() throws {
        var options = smallOptions()
        options.tasks[Regression.Options.self] = .init()
        let found = try train(options)
        #expect(found.names == ["regression"])
        #expect(found.first[0] > 0.6)
        #expect(found.last[0] < 0.4 * found.first[0])
    }

    /// From about ln 16 for sixteen clusters.
    @Test func kMeansTokens() throws {
        var options = smallOptions()
        options.tasks[KMeansTaskOptions.self] = fewClusters()
        let found = try train(options)
        #expect(found.names == ["kmeans"])
        #expect(found.first[0] > 2)
        #expect(found.last[0] < 0.1 * found.first[0])
    }

    /// From about ln 48 for the codes of an untrained VQ-VAE.
    @Test func vqvaeTokens() throws {
        var options = smallOptions()
        options.tasks[VQVAETaskOptions.self] = .init(.init(labelSmoothing: 0))
        options.tokenizer = fewCodes().model
        let found = try train(options)
        #expect(found.names == ["vqvae"])
        #expect(found.first[0] > 2.5)
        #expect(found.last[0] < 0.4 * found.first[0], "\(found.first) to \(found.last)")
    }

    @Test func allTasksTogether() throws {
        var options = smallOptions()
        options.tasks[ParticleIdentification.Options.self] = .init()
        options.tasks[ParticleIdentification.Options.self]!.labelSmoothing = 0
        options.tasks[Regression.Options.self] = .init()
        options.tasks[KMeansTaskOptions.self] = fewClusters()
        let found = try train(options)
        #expect(found.names == ["particle_id", "regression", "kmeans"])
        #expect(found.last[0] < 0.4 * found.first[0])
        #expect(found.last[1] < 0.65 * found.first[1])
        #expect(found.last[2] < 0.1 * found.first[2])
    }
}

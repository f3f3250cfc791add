import Jets
import MPI
import NN
import Objectives
import Tensors
import TestSupport
import Testing

/// Every task learns one batch of 32 jets by heart: proof that its loss reaches all that has to be learnt.
@Suite struct OverfittingTests {
    private func train(
        _ options: MaskedParticleOptions
    ) throws -> (names: [String], first: [Double], last: [Double]) {
        try overfit(
            MaskedParticleModelling(
                options, JetShape(features: 7, maxConstituents: SampleJets.maxConstituents), seed: 3))
    }

    /// From about ln 8 for eight identities.
    @Test func particleIdentification() throws {
        var options = smallOptions()
        options.tasks.particleID = .init()
        options.tasks.particleID!.labelSmoothing = 0
        let (names, first, last) = try train(options)
        #expect(names == ["particle_id"])
        #expect(first[0] > 1.4)
        #expect(last[0] < 0.1 * first[0])
    }

    /// From about the mean magnitude of a standard normal number, 0.8.
    @Test func regression() throws {
        var options = smallOptions()
        options.tasks.regression = .init()
        let (names, first, last) = try train(options)
        #expect(names == ["regression"])
        #expect(first[0] > 0.6)
        #expect(last[0] < 0.4 * first[0])
    }

    /// From about ln 16 for sixteen clusters.
    @Test func kMeansTokens() throws {
        var options = smallOptions()
        options.tasks.kmeans = fewClusters()
        let (names, first, last) = try train(options)
        #expect(names == ["kmeans"])
        #expect(first[0] > 2)
        #expect(last[0] < 0.1 * first[0])
    }

    @Test func allTasksTogether() throws {
        var options = smallOptions()
        options.tasks.particleID = .init()
        options.tasks.particleID!.labelSmoothing = 0
        options.tasks.regression = .init()
        options.tasks.kmeans = fewClusters()
        let (names, first, last) = try train(options)
        #expect(names == ["particle_id", "regression", "kmeans"])
        #expect(last[0] < 0.4 * first[0])
        #expect(last[1] < 0.65 * first[1])
        #expect(last[2] < 0.1 * first[2])
    }
}

/// The mean of every term before the first and after the last of some AdamW steps on one batch of 32 jets and one mask.
func overfit(
    _ objective: any Objective, steps: Int = 150
) throws -> (names: [String], first: [Double], last: [Double]) {
    BLAS.useCallingThreadOnly()  // threads of its own would only get in the way of products this small
    try objective.fit(to: SampleJets.loader(), on: alone) { _ in }
    let part = objective.prepare(try SampleJets.batch(), phase: .training(step: 0))
    let optimizer = AdamW(objective.parameters)
    let scales = zip(objective.terms, part.counts).map { Float($0.weight / $1) }
    func means(_ sums: [Double]) -> [Double] { zip(sums, part.counts).map { $0 / $1 } }
    let first = means(part.evaluate(scales, Tape(recording: false)))
    for step in 0..<steps {
        objective.parameters.resetGradients()
        let tape = Tape()
        _ = part.evaluate(scales, tape)
        tape.backward()
        let norm = objective.parameters.gradients.sumOfSquares.squareRoot()
        let rate = 4e-3 * min(1, Double(step + 1) / 10) * min(1, 3 * Double(steps - step) / Double(steps))
        optimizer.step(learningRate: rate, gradientScale: clippingFactor(norm: norm, limit: 1))
    }
    let last = means(part.evaluate(scales, Tape(recording: false)))
    return (objective.terms.map(\.name), first, last)
}

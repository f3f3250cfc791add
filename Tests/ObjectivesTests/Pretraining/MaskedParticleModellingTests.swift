import Jets
import Objectives
import Tensors
import Testing

/// Losses as sums and counts: training does not depend on the division of a batch.
@Suite struct MaskedParticleModellingTests {
    /// Three tasks, with given centroids.
    private func objective(fraction: Double = 0.4) -> MaskedParticleModelling {
        var options = smallOptions()
        options.masking = .random(fraction: fraction)
        options.tasks[ParticleIdentification.Options.self] = .init()
        options.tasks[Regression.Options.self] = .init()
        options.tasks[KMeansTaskOptions.self] = fewClusters()
        options.tasks[KMeansTaskOptions.self]!.task.labelSmoothing = 0.1
        let objective = MaskedParticleModelling(
            options, JetShape(features: 7, maxConstituents: 40), seed: 3)
        objective.kmeans?.centroids = syntheticBatch([objective.kmeans!.count]).values.copy()
        return objective
    }

    /// 32 jets, some of them with no or one constituent.
    private let batch = syntheticBatch(
        [
            12, 0, 1, 7, 30, 2, 3, 5, 9, 1, 0, 22, 17, 4, 6, 8, 1, 1, 40, 11, 3, 2, 10, 13, 5, 0, 6, 19, 14,
            2, 3, 7,
        ])

    /// Results of a step on some parts of the batch, scaled by the summed counts.
    private func step(
        _ objective: MaskedParticleModelling, _ parts: [Range<Int>]
    ) -> (counts: [Double], sums: [Double], gradients: [[Float]]) {
        let parts = parts.map { objective.prepare(batch.slice(jets: $0), phase: .training(step: 0)) }
        func total(_ values: [[Double]]) -> [Double] {
            values.reduce([0, 0, 0]) { zip($0, $1).map(+) }
        }
        let counts = total(parts.map(\.counts))
        let scales = zip(objective.terms, counts).map { Float($1 > 0 ? $0.weight / $1 : 0) }
        objective.parameters.resetGradients()
        let sums = parts.map { part in
            let tape = Tape()
            let sums = part.evaluate(scales, tape)
            tape.backward()
            return sums
        }
        objective.parameters.zeroUnusedGradients()
        let gradients = objective.parameters.parameters.map {
            Array(objective.parameters.gradients.buffer[$0.range])
        }
        return (counts, total(sums), gradients)
    }

    @Test func termsFollowTheTasks() {
        let terms = objective().terms
        #expect(terms.map(\.name) == ["particle_id", "regression", "kmeans"])
        #expect(terms.map(\.weight) == [0.3, 1, 1])
    }

    /// One micro-batch or six uneven ones, in any order, one of them without jets.
    @Test func partsAddUpToTheWhole() {
        let objective = objective()
        let whole = step(objective, [0..<32])
        let parts = step(objective, [25..<32, 0..<1, 10..<25, 9..<10, 1..<9, 32..<32])
        #expect(whole.counts == parts.counts)
        // ⌊0.4 n⌋ of every jet.
        let dropped = (0..<32).reduce(0) { $0 + Int(0.4 * Double(batch.offsets[$1].count)) }
        #expect(whole.counts == [Double(dropped), Double(7 * dropped), Double(dropped)])
        for (a, b) in zip(whole.sums, parts.sums) { #expect(abs(a - b) <= 1e-5 * abs(a)) }
        for (place, parameter) in objective.parameters.parameters.enumerated() {
            let (a, b) = (whole.gradients[place], parts.gradients[place])
            let scale = a.reduce(0) { max($0, abs($1)) }
            let error = zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(scale > 0, "\(parameter.name) has no gradient")
            #expect(error <= 1e-5 * scale, "the gradient of \(parameter.name) is off by \(error / scale)")
        }
    }

    /// The gradient is that of the loss: a small step against it lowers the loss by |g|² times the step.
    @Test func theGradientIsThatOfTheTotal() {
        let objective = objective()
        func total(_ result: (counts: [Double], sums: [Double], gradients: [[Float]])) -> Double {
            zip(objective.terms, zip(result.sums, result.counts)).reduce(0) {
                $0 + $1.0.weight * $1.1.0 / $1.1.1
            }
        }
        let before = step(objective, [0..<32])
        let store = objective.parameters
        let squares = store.gradients.sumOfSquares
        let rate = Float(0.01 / squares)  // lowers the loss by about 0.01
        for i in 0..<store.values.count { store.values.buffer[i] -= rate * store.gradients.buffer[i] }
        let lowered = total(before) - total(step(objective, [0..<32]))
        #expect(abs(lowered - 0.01) < 0.0015, "lowered by \(lowered)")
    }

    /// Nothing dropped, or nothing to drop: sums and counts of zero, and gradients of zero.
    @Test func nothingIsDropped() {
        for (fraction, jets) in [(0, 0..<32), (0.4, 1..<3), (0.4, 0..<0)] {
            let result = step(objective(fraction: fraction), [jets])
            #expect(result.counts == [0, 0, 0] && result.sums == [0, 0, 0])
            #expect(result.gradients.joined().allSatisfy { $0 == 0 }, "jets \(jets)")
        }
    }

    /// Parts without dropped constituents add nothing.
    @Test func partsOfNothingAddNothing() {
        let objective = objective()
        let whole = step(objective, [3..<5])
        let parts = step(objective, [1..<3, 3..<5, 16..<18])
        #expect(whole.counts == parts.counts && whole.sums == parts.sums)
        for (a, b) in zip(whole.gradients.joined(), parts.gradients.joined()) { #expect(abs(a - b) <= 1e-6) }
    }

    @Test func everythingIsDropped() {
        let result = step(objective(fraction: 1), [0..<32])
        #expect(result.counts[0] == Double(batch.tokenCount))
        #expect(result.sums.allSatisfy { $0.isFinite && $0 > 0 })
        #expect(result.gradients.joined().allSatisfy { $0.isFinite })
    }

    /// Evaluation gives the loss of training, and leaves no gradients.
    @Test func evaluationChangesNothing() {
        let objective = objective()
        let part = objective.prepare(batch, phase: .training(step: 0))
        objective.parameters.resetGradients()
        let first = part.evaluate([0, 0, 0], Tape(recording: false))
        let second = part.evaluate([1, 1, 1], Tape())
        for (a, b) in zip(first, second) { #expect(abs(a - b) <= 1e-6 * abs(a)) }
        #expect(part.evaluate([0, 0, 0], Tape(recording: false)) == first)
        #expect(objective.parameters.parameters.allSatisfy { $0.variable.gradient == nil })
    }

    /// Training and validation mask the same jets differently; another seed gives another mask.
    @Test func masksDependOnThePhase() {
        let objective = objective()
        func sums(_ objective: MaskedParticleModelling, _ phase: Phase) -> [Double] {
            objective.prepare(batch, phase: phase).evaluate([0, 0, 0], Tape(recording: false))
        }
        let training = sums(objective, .training(step: 0))
        #expect(sums(objective, .training(step: 0)) == training)
        #expect(sums(objective, .validation) != training)
        #expect(
            objective.prepare(batch, phase: .validation).counts
                == objective.prepare(batch, phase: .training(step: 0)).counts)
    }
}

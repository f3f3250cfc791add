import NN
import Objectives
import Tensors
import TestSupport

/// Training of an objective on one batch of 32 jets, with one mask, for a number of steps of AdamW.
struct Overfitting {
    /// Names of the loss terms.
    let names: [String]
    /// Mean of every term before the first step, and after the last.
    let first, last: [Double]
    /// Monitors of the last step.
    let monitors: [Double]

    init(_ objective: any Objective, steps: Int = 150) throws {
        BLAS.useCallingThreadOnly()  // threads of its own would only get in the way of products this small
        try objective.fit(to: SampleJets.loader(), on: alone) { _ in }
        let part = objective.prepare(try SampleJets.batch(), phase: .training(step: 0))
        let optimizer = AdamW(objective.parameters)
        let scales = zip(objective.terms, part.counts).map { Float($0.weight / $1) }
        func means(_ sums: [Double]) -> [Double] { zip(sums, part.counts).map { $0 / $1 } }
        first = means(part.evaluate(scales, Tape(recording: false)))
        var monitors: [Double] = []
        for step in 0..<steps {
            optimizer.learn(part, scales, of: objective, step: step, of: steps)
            monitors = try objective.stepDidEnd(step, isSkipped: false, on: alone)
        }
        last = means(part.evaluate(scales, Tape(recording: false)))
        self.monitors = monitors
        names = objective.terms.map(\.name)
    }
}

extension AdamW {
    /// One training step on a fixed batch, with a learning rate that rises, stays constant, then falls.
    func learn(_ part: MicroBatch, _ scales: [Float], of objective: any Objective, step: Int, of steps: Int) {
        objective.parameters.resetGradients()
        let tape = Tape()
        _ = part.evaluate(scales, tape)
        tape.backward()
        let norm = objective.parameters.gradients.sumOfSquares.squareRoot()
        let rate = 4e-3 * min(1, Double(step + 1) / 10) * min(1, 3 * Double(steps - step) / Double(steps))
        self.step(learningRate: rate, gradientScale: clippingFactor(norm: norm, limit: 1))
    }
}

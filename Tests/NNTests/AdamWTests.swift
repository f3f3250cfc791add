import Foundation
import NN
import Testing

@Suite struct AdamWTests {
    /// Reference: the formula of `AdamW` in double precision.
    private struct Reference {
        var p: Double
        var m = 0.0
        var v = 0.0
        var t = 0.0

        mutating func step(_ gradient: Double, rate: Double, _ options: AdamW.Options) {
            t += 1
            m = options.beta1 * m + (1 - options.beta1) * gradient
            v = options.beta2 * v + (1 - options.beta2) * gradient * gradient
            p =
                p * (1 - rate * options.weightDecay)
                - rate * (m / (1 - pow(options.beta1, t)))
                / ((v / (1 - pow(options.beta2, t))).squareRoot() + options.epsilon)
        }
    }

    /// Many steps with varying learning rates, for lengths that are not multiples of a vector, compared with the
    /// formula.
    @Test(arguments: [1, 15, 16, 17, 33]) func theFormula(count: Int) {
        let options = AdamW.Options(weightDecay: 0.05, beta1: 0.8, beta2: 0.99, epsilon: 1e-3)
        let start = (0..<count).map { Float($0) / 7 - 1 }
        let store = store(start)
        let optimizer = AdamW(store, options)
        var references = start.map { Reference(p: Double($0)) }
        for step in 0..<30 {
            let rate = 0.01 * Double(1 + step % 4)
            for i in 0..<count {
                let gradient = Float(sin(Double(3 * step + i)))
                store.gradients.buffer[i] = gradient
                references[i].step(Double(gradient) * 0.5, rate: rate, options)
            }
            optimizer.step(learningRate: rate, gradientScale: 0.5)
            for (value, reference) in zip(store.values.array, references) {
                #expect(abs(Double(value) - reference.p) <= 2e-5, "in step \(step)")
            }
        }
    }

    /// The first update equals the learning rate for gradients of any size.
    @Test func theFirstStepHasTheSizeOfTheRate() {
        let store = store([1, 1, 1, 1])
        _ = store.gradients.buffer.update(fromContentsOf: [1e-4, -1, 1e4, 0])
        AdamW(store, AdamW.Options(weightDecay: 0)).step(learningRate: 0.01)
        let moves = store.values.array.map { Double($0) - 1 }
        for (move, expected) in zip(moves, [-0.01, 0.01, -0.01, 0]) { #expect(abs(move - expected) < 2e-6) }
    }

    /// Weight decay acts on the parameter directly, not through the moments.
    @Test func decayIsDecoupled() {
        let store = store([2, -4])
        let optimizer = AdamW(store, AdamW.Options(weightDecay: 0.5))
        optimizer.step(learningRate: 0.1)
        #expect(store.values.array == [2 * 0.95, -4 * 0.95])
        #expect(optimizer.firstMoment.array == [0, 0] && optimizer.secondMoment.array == [0, 0])
    }

    /// Moments and update counts are the whole state: an optimizer with a copy of them continues bit for bit.
    @Test func stateIsCompleteForAResume() {
        func gradient(_ store: ParameterStore, _ step: Int) {
            for i in 0..<20 { store.gradients.buffer[i] = Float(sin(Double(7 * step + i))) }
        }
        let straight = store((0..<20).map(Float.init))
        let optimizer = AdamW(straight)
        for step in 0..<3 {
            gradient(straight, step)
            optimizer.step(learningRate: 0.1)
        }
        let resumed = store(straight.values.array)
        let other = AdamW(resumed)
        _ = other.firstMoment.buffer.update(fromContentsOf: optimizer.firstMoment.buffer)
        _ = other.secondMoment.buffer.update(fromContentsOf: optimizer.secondMoment.buffer)
        other.state.updates = optimizer.state.updates
        for step in 3..<6 {
            for (store, optimizer) in [(straight, optimizer), (resumed, other)] {
                gradient(store, step)
                optimizer.step(learningRate: 0.1)
            }
        }
        #expect(resumed.values.array == straight.values.array)
        #expect(other.state.updates == [6])
    }

    /// Same as PyTorch's `clip_grad_norm_`: limit / (norm + 10⁻⁶), at most 1.
    @Test func clipping() {
        #expect(clippingFactor(norm: 100, limit: nil) == 1)
        #expect(clippingFactor(norm: 0, limit: 1) == 1)
        #expect(clippingFactor(norm: 0.5, limit: 1) == 1)
        #expect(abs(clippingFactor(norm: 4, limit: 1) - 0.25) < 1e-6)
        #expect(clippingFactor(norm: 1, limit: 1) < 1)
        #expect(clippingFactor(norm: 3, limit: 0) == 0)
    }

    @Test func schedules() {
        #expect([0, 1, 1_000_000].map { Schedule.constant.factor(step: $0) } == [1, 1, 1])
        let schedule = Schedule.warmupExponential(
            warmupSteps: 10, halfLife: 20, initialFactor: 0.5, finalFactor: 0.1)
        let expected = [
            (0, 0.5), (5, 0.75), (10, 1), (30, 0.5), (50, 0.25), (70, 0.125), (90, 0.1), (10_000, 0.1),
        ]
        for (step, factor) in expected { #expect(abs(schedule.factor(step: step) - factor) < 1e-12) }
        // Without warm-up, the first step has the peak learning rate.
        #expect(Schedule.warmupExponential(warmupSteps: 0, halfLife: 5).factor(step: 0) == 1)
    }
}

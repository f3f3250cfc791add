import Foundation
import NN
import Testing

@Suite struct LionTests {
    /// Many steps with varying learning rates, for lengths that are not multiples of a vector, compared with the
    /// formula in double precision.
    @Test(arguments: [1, 15, 16, 17, 33]) func theFormula(count: Int) {
        let (rate, decay, beta1, beta2) = (0.01, 0.05, 0.85, 0.98)
        let start = (0..<count).map { Float($0) / 7 - 1 }
        let store = store(start)
        let optimizer = Lion(store, Lion.Options(weightDecay: decay, beta1: beta1, beta2: beta2))
        var (p, m) = (start.map(Double.init), start.map { _ in 0.0 })
        for step in 0..<30 {
            let rate = rate * Double(1 + step % 4)
            for i in 0..<count {
                let gradient = Float(sin(Double(3 * step + i)))
                store.gradients.buffer[i] = gradient
                let direction = beta1 * m[i] + (1 - beta1) * Double(gradient) * 0.5
                p[i] = p[i] * (1 - rate * decay) - (direction > 0 ? rate : direction < 0 ? -rate : 0)
                m[i] = beta2 * m[i] + (1 - beta2) * Double(gradient) * 0.5
            }
            optimizer.step(learningRate: rate, gradientScale: 0.5)
            for i in 0..<count { #expect(abs(Double(store.values.array[i]) - p[i]) <= 2e-5, "in step \(step)") }
            for i in 0..<count { #expect(abs(Double(optimizer.momentum.array[i]) - m[i]) <= 1e-6, "in step \(step)") }
        }
    }

    /// Every element moves by the learning rate, whatever the size of its gradient; without a gradient it only decays.
    @Test func stepsHaveTheSizeOfTheRate() {
        let store = store([1, 1, 1, 1])
        _ = store.gradients.buffer.update(fromContentsOf: [1e-20, -1, 1e4, 0])
        Lion(store, Lion.Options(weightDecay: 0.5)).step(learningRate: 0.01)
        for (value, move) in zip(store.values.array, [-0.01, 0.01, -0.01, 0]) {
            #expect(abs(Double(value) - 0.995 - move) < 1e-6)
        }
    }
}

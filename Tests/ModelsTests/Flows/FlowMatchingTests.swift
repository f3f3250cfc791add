import Foundation
import Models
import NN
import Tensors
import Testing

@Suite struct FlowMatchingTests {
    /// At t = 0 data, at t = 1 noise, and the velocity between them everywhere.
    @Test func paths() {
        let (data, noise) = (randomTensor([3, 4], seed: 1), randomTensor([3, 4], seed: 2))
        let path = FlowMatchingPath(data: data, noise: noise, times: [0, 1, 0.25])
        #expect(path.position.picking([0]).array == data.picking([0]).array)
        #expect(path.position.picking([1]).array == noise.picking([1]).array)
        for i in 8..<12 {
            let (from, to) = (data.array[i], noise.array[i])
            #expect(abs(path.position.array[i] - (0.75 * from + 0.25 * to)) < 1e-6)
            #expect(path.velocity.array[i] == to - from)
        }
    }

    /// Times lie inside the interval, half of them below the middle, few near its ends.
    @Test func times() {
        var random = RandomSequence(RandomKey(seed: 1, stream: .flow))
        let times = (0..<4000).map { _ in FlowMatchingPath.time(from: &random) }
        #expect(times.allSatisfy { $0 > 0 && $0 < 1 })
        let below = Double(times.count { $0 < 0.5 }) / 4000
        let inside = Double(times.count { abs($0 - 0.5) < 0.23106 }) / 4000  // |normal| < 1
        #expect(abs(below - 0.5) < 0.03)
        #expect(abs(inside - 0.683) < 0.03)
    }

    /// Data around two points that the condition swaps: samples of every solver have both, with the right deviations.
    @Test func aTrainedHeadSamplesTwoPlaces() throws {
        BLAS.useCallingThreadOnly()
        let builder = ParameterBuilder()
        let head = FlowMatchingHead(.init(features: 2, condition: 1, width: 48), in: builder.root)
        let store = builder.build(seed: 2)
        var random = RandomSequence(RandomKey(seed: 5, stream: .sampling))
        /// Three quarters at (1.5 c, 1), a quarter at (−1.5 c, −1), deviations 0.2.
        func draw(_ count: Int) -> (data: Tensor, condition: Tensor) {
            let signs = (0..<count).map { Float($0 % 2 == 0 ? 1 : -1) }
            let data = signs.flatMap { sign -> [Float] in
                let place: Float = random.uniform() < 0.75 ? 1 : -1
                return [1.5 * sign * place + 0.2 * random.normal(), place + 0.2 * random.normal()]
            }
            return (Tensor(data, shape: [count, 2]), Tensor(signs, shape: [count, 1]))
        }
        let optimizer = AdamW(store)
        let (steps, size) = (3000, 256)
        for step in 0..<steps {
            let (data, condition) = draw(size)
            let times = (0..<size).map { _ in FlowMatchingPath.time(from: &random) }
            store.resetGradients()
            let tape = Tape()
            _ = head.loss(
                data, noise: .normal([size, 2], from: &random), times: times,
                condition: Variable(constant: condition), scale: 0.5 / Float(size), on: tape)
            tape.backward()
            optimizer.step(
                4e-3 * (1 + cos(Double.pi * Double(step) / Double(steps))) / 2, clippedIn: store)
        }
        let count = 4000
        let (_, condition) = draw(count)
        let noise = Tensor.normal([count, 2], from: &random)
        let exact = try head.generate(from: noise, condition: condition, solver: .adaptive(tolerance: 1e-4))
        for solver in [ODESolver.midpoint(steps: 50), .euler(steps: 200)] {
            let samples = try head.generate(from: noise, condition: condition, solver: solver)
            let far = (0..<count).count { row in
                (0..<2).contains { abs(samples.buffer[2 * row + $0] - exact.buffer[2 * row + $0]) > 0.1 }
            }
            #expect(far < count / 50, "\(far) samples of \(solver) differ from the adaptive ones")
        }
        for sign in 0..<2 {
            let rows = Array(stride(from: sign, to: count, by: 2))
            let high = rows.filter { exact.buffer[2 * $0 + 1] > 0 }
            let share = Double(high.count) / Double(rows.count)
            #expect(abs(share - 0.75) < 0.05, "\(share) of the samples stand at the first place")
            for (column, expected) in [(0, sign == 0 ? 1.5 : -1.5), (1, 1)] {
                let values = high.map { Double(exact.buffer[2 * $0 + column]) }
                let mean = values.reduce(0, +) / Double(values.count)
                let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
                #expect(abs(mean - expected) < 0.06, "mean \(mean) instead of \(expected)")
                #expect(abs(variance.squareRoot() - 0.2) < 0.06, "deviation \(variance.squareRoot())")
            }
        }
    }
}

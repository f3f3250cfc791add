import Foundation
import Tensors
import Testing

/// The kernels have their own exponential, tested here through the operations that use it.
@Suite struct ExponentialTests {
    /// The probabilities of one row of scores, from attention with queries of 1, the scores as keys, and one-hot
    /// values.
    private func softmax(_ scores: [Float]) -> [Float] {
        let n = scores.count
        var rows: [Float] = []
        for token in 0..<n {
            rows += [Float](repeating: 1, count: n) + [Float](repeating: scores[token], count: n)
            rows += (0..<n).map { $0 == token ? 1 : 0 }
        }
        let y = Tape(recording: false).selfAttention(
            Variable(constant: Tensor(rows, shape: [n, 3 * n])), offsets: Offsets(counts: [n]), heads: n)
        return Array(y.value.array[..<n])
    }

    private func swiglu(_ gates: [Float]) -> [Float] {
        let ones = [Float](repeating: 1, count: gates.count)
        let x = Variable(constant: Tensor(gates + ones, shape: [1, 2 * gates.count]))
        return Tape(recording: false).swiglu(x).value.array
    }

    private let denormal = Float.leastNormalMagnitude / 100

    /// e^x relative to e^0, as far down as probabilities are normal numbers: within 4 units in the last
    /// place.
    @Test func exponentialsOfTheWholeRange() {
        var scores: [Float] = [
            0, -.leastNonzeroMagnitude, -denormal, -1e-20, -1e-7, -0.5, -1, -10, -50, -80.9,
        ]
        for step in 1..<55 { scores.append(-Float(step) * 1.4567) }
        for step in 1..<40 { scores.append(-Float(step) * 0.03471) }
        let p = softmax(scores)
        for (score, value) in zip(scores, p) {
            let expected = exp(Double(score))
            let error = abs(Double(value) / Double(p[0]) - expected) / expected
            #expect(error <= 4 * Double(Float.ulpOfOne), "e^\(score) is off by \(error)")
        }
    }

    /// Scores whose exponentials under- or overflow.
    @Test func softmaxOfExtremes() {
        for scores: [Float] in [
            [100, -100], [-100, 100], [1e4, 0, -1e4], [-1e4, -1e4 - 200], [1e30, -1e30, 0], [88, 89, 90],
            [.leastNonzeroMagnitude, 0, -.leastNonzeroMagnitude], [-100, -100, -100], [100, 100],
        ] {
            let expected = Reference.softmax(scores.map(Double.init))
            expectClose(softmax(scores).map(Double.init), expected, 1e-6, "the softmax of \(scores)")
        }
    }

    @Test(arguments: [1, 2, 15, 16, 17, 33, 100]) func softmaxSumsToOne(length: Int) {
        let p = softmax(randomTensor([length], seed: 3, deviation: 5).array)
        #expect(abs(p.reduce(0) { $0 + Double($1) } - 1) < 1e-6)
        #expect(p.allSatisfy { $0 >= 0 && $0 <= 1 })
    }

    /// x / (1 + e^−x), relative to its magnitude where that is a normal number, otherwise zero but for 10⁻³⁰.
    @Test func gatesOfTheWholeRange() {
        var gates: [Float] = [
            0, denormal, -denormal, .leastNonzeroMagnitude, 1e-20, -1e-20, 20, 100, 1000, 1e30,
        ]
        for step in 1..<80 { gates += [Float(step) * 1.0931, -Float(step) * 1.0931] }
        for (gate, value) in zip(gates, swiglu(gates)) {
            let expected = Double(gate) / (1 + exp(-Double(gate)))
            let error = abs(Double(value) - expected)
            #expect(error <= 1e-6 * abs(expected) + 1e-43, "silu(\(gate)) is \(value) instead of \(expected)")
        }
        for value in swiglu([-100, -500, -1e10]) { #expect(abs(value) < 1e-27) }
        #expect(swiglu([0]) == [0])
    }

    @Test func gradientsOfGatesAtExtremes() throws {
        let gates: [Float] = [-1e4, -100, -88, -20, 0, denormal, 20, 88, 100, 1e4]
        let ones = [Float](repeating: 1, count: gates.count)
        let x = Variable(leaf: Tensor(gates + ones, shape: [1, 2 * gates.count]))
        let tape = Tape()
        let y = tape.swiglu(x)
        tape.backward(from: y, seed: Tensor(ones, shape: [1, gates.count]))
        let gradient = try #require(x.gradient).doubles
        for (i, gate) in gates.enumerated() {
            let s = 1 / (1 + exp(-Double(gate)))
            let (dgate, dvalue) = (s * (1 + Double(gate) * (1 - s)), Double(gate) * s)
            #expect(abs(gradient[i] - dgate) <= 2e-6 * max(abs(dgate), 1e-20), "at \(gate)")
            #expect(abs(gradient[gates.count + i] - dvalue) <= 2e-6 * max(abs(dvalue), 1e-20), "at \(gate)")
        }
    }
}

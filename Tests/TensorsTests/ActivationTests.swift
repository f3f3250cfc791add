import Foundation
import Tensors
import Testing

@Suite struct ActivationTests {
    private func check(
        _ x: Tensor, _ operation: @escaping (Tape, Variable) -> Variable,
        _ reference: @escaping (Double) -> Double
    ) {
        OperationCheck(
            inputs: [x], operation: { operation($0, $1[0]) }, reference: { $0[0].map(reference) }
        ).run()
    }

    private func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

    @Test(arguments: awkwardWidths) func leakyReLU(channels: Int) {
        check(
            randomTensor([3, channels], seed: 1, deviation: 2), { $0.leakyReLU($1, slope: 0.1) },
            { $0 > 0 ? $0 : Double(Float(0.1)) * $0 })
    }

    @Test(arguments: awkwardWidths) func silu(channels: Int) {
        check(randomTensor([3, channels], seed: 1, deviation: 2), { $0.silu($1) }, { $0 * self.logistic($0) })
    }

    @Test(arguments: awkwardWidths) func gelu(channels: Int) {
        check(
            randomTensor([3, channels], seed: 1, deviation: 2), { $0.gelu($1) },
            { $0 * 0.5 * erfc(-$0 / 2.0.squareRoot()) })
    }

    /// Far from zero they equal the identity on one side and zero on the other, with finite slopes.
    @Test func farFromZero() throws {
        let operations: [(Tape, Variable) -> Variable] = [{ $0.silu($1) }, { $0.gelu($1) }]
        for operation in operations {
            let x = Variable(leaf: Tensor([-1e6, -100, 0, 100, 1e6], shape: [1, 5]))
            let tape = Tape()
            let y = operation(tape, x)
            #expect(zip(y.value.array, [0, 0, 0, 100, 1e6]).allSatisfy { abs($0 - $1) < 1e-30 })
            tape.backward(from: y, seed: Tensor(repeating: 1, shape: [1, 5]))
            let slopes = try #require(x.gradient?.array)
            #expect(zip(slopes, [0, 0, 0.5, 1, 1]).allSatisfy { abs($0 - $1) < 1e-6 })
        }
    }
}

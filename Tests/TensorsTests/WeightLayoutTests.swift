import Tensors
import Testing

/// Products that read the layout of a weight give the bits of products that copy the weight.
@Suite(.enabled(if: Precision.hasBFloat16)) struct WeightLayoutTests {
    /// Tokens, inputs and outputs: panels and groups of pairs with every remainder, more columns than rows, inner
    /// lengths beyond a block, and blocks of columns whose end lies within a panel.
    static let shapes = [
        (1, 16, 16), (7, 32, 48), (9, 64, 64), (33, 48, 80), (70, 96, 112), (5, 528, 1040), (130, 1040, 528),
        (40, 80, 16),
        (301, 64, 2064), (33, 400, 400), (5, 64, 784), (5, 1040, 400), (3, 1168, 1552),
    ]

    @Test(arguments: shapes, [false, true])
    func sameBits(shape: (Int, Int, Int), isResidual: Bool) throws {
        let (tokens, inputs, outputs) = shape
        let memory = try #require(WeightLayout.elements(outputs: outputs, inputs: inputs))
        let layout = WeightLayout(
            outputs: outputs, inputs: inputs, in: Tensor(shape: [memory], elementType: .bfloat16))
        func run(_ layout: WeightLayout?) throws -> [[Float]] {
            let weight = Variable(leaf: randomTensor([outputs, inputs], seed: 2, deviation: 0.3))
            layout?.update(from: weight.value, rows: 16..<outputs)
            layout?.update(from: weight.value, rows: 0..<16)
            weight.layout = layout
            let x = Variable(leaf: randomTensor([tokens, inputs], seed: 1))
            let bias = Variable(leaf: randomTensor([outputs], seed: 3))
            let tape = Tape(precision: .bfloat16)
            let y =
                isResidual
                ? tape.residualLinear(
                    Variable(leaf: randomTensor([tokens, outputs], seed: 4)), x, weight: weight, bias: bias,
                    scale: Variable(leaf: randomTensor([outputs], seed: 5)))
                : tape.linear(x, weight: weight, bias: bias)
            tape.backward(from: y, seed: randomTensor([tokens, outputs], seed: 6))
            return try [y.value.array] + [x, weight, bias].map { try #require($0.gradient).array }
        }
        #expect(try run(layout) == run(nil))
    }

    @Test func onlyWholeVectorsHaveOne() {
        #expect(WeightLayout.elements(outputs: 24, inputs: 32) == nil)
        #expect(WeightLayout.elements(outputs: 32, inputs: 7) == nil)
    }

    /// Maps in single precision do not read the layout.
    @Test func singlePrecisionReadsTheWeight() throws {
        let memory = try #require(WeightLayout.elements(outputs: 32, inputs: 16))
        let weight = Variable(constant: randomTensor([32, 16], seed: 1))
        let x = Variable(constant: randomTensor([3, 16], seed: 2))
        let expected = Tape().linear(x, weight: weight, bias: nil).value.array
        weight.layout = WeightLayout(outputs: 32, inputs: 16, in: Tensor(shape: [memory], elementType: .bfloat16))
        #expect(Tape().linear(x, weight: weight, bias: nil).value.array == expected)
    }
}

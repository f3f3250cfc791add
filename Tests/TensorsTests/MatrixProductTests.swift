import Tensors
import Testing

/// Products of all sizes: tiles, blocks and their remainders, with every epilogue. An affine map and its two gradients
/// cover all combinations of transpositions in use.
@Suite struct MatrixProductTests {
    /// Rows up to two tiles, columns that are and are not whole vectors; inner lengths beyond one block of 512 or 256;
    /// columns beyond 768.
    static let shapes = [
        (1, 16, 16), (7, 32, 48), (8, 48, 64), (9, 16, 80), (15, 64, 112), (17, 30, 16), (5, 16, 30), (3, 520, 32),
        (2, 32, 1040), (395, 16, 32), (60, 800, 16), (1, 1, 16), (4, 7, 1),
    ]

    @Test(arguments: shapes) func linear(tokens: Int, inputs: Int, outputs: Int) {
        OperationCheck(
            inputs: [
                randomTensor([tokens, inputs], seed: 1), randomTensor([outputs, inputs], seed: 2, deviation: 0.3),
                randomTensor([outputs], seed: 3),
            ],
            operation: { $0.linear($1[0], weight: $1[1], bias: $1[2]) },
            reference: { Reference.linear($0[0], $0[1], $0[2], inputs: inputs) }, elements: 6
        ).run()
    }

    @Test(arguments: shapes, [false, true]) func residualLinear(shape: (Int, Int, Int), isScaled: Bool) {
        let (tokens, inputs, outputs) = shape
        var values = [
            randomTensor([tokens, outputs], seed: 4), randomTensor([tokens, inputs], seed: 1),
            randomTensor([outputs, inputs], seed: 2, deviation: 0.3), randomTensor([outputs], seed: 3),
        ]
        if isScaled { values.append(randomTensor([outputs], seed: 5)) }
        OperationCheck(
            inputs: values,
            operation: {
                $0.residualLinear(
                    $1[0], $1[1], weight: $1[2], bias: $1[3], scale: isScaled ? $1[4] : nil)
            },
            reference: {
                Reference.residual(
                    $0[0], Reference.linear($0[1], $0[2], $0[3], inputs: inputs), isScaled ? $0[4] : nil)
            },
            elements: 6
        ).run()
    }

    /// The bits of a row do not depend on the other rows: ranks must agree on the nearest centroid of a constituent.
    @Test(arguments: [16, 48, 512, 1040]) func rowsDoNotDependOnTheirCompany(outputs: Int) {
        let x = randomTensor([37, 600], seed: 1)
        let weight = Variable(constant: randomTensor([outputs, 600], seed: 2))
        let whole = Tape().linear(Variable(constant: x), weight: weight, bias: nil).value
        for rows in [0..<1, 5..<14, 30..<37] {
            let part = Tape().linear(Variable(constant: x.rows(rows).copy()), weight: weight, bias: nil).value
            #expect(part.array == whole.rows(rows).array)
        }
    }

    /// Gradients of several uses are summed in the gradient of a parameter; values of an earlier step are overwritten.
    @Test(arguments: [16, 200, 800]) func gradientsAddUp(tokens: Int) throws {
        let weight = Variable(
            parameter: randomTensor([64, 32], seed: 1), gradient: Tensor(repeating: .nan, shape: [64, 32]))
        let x = Variable(constant: randomTensor([tokens, 32], seed: 2))
        let seed = randomTensor([tokens, 64], seed: 3)
        func gradient(uses: Int) throws -> [Double] {
            weight.resetGradient()
            for _ in 0..<uses {
                let tape = Tape()
                tape.backward(from: tape.linear(x, weight: weight, bias: nil), seed: seed.copy())
            }
            return try #require(weight.gradient).doubles
        }
        let once = try gradient(uses: 1)
        expectClose(try gradient(uses: 3), once.map { 3 * $0 }, 1e-5, "three times the gradient")
    }
}

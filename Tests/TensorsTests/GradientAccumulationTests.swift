import Tensors
import Testing

/// Gradients with several shares: one variable in many operations, one parameter in many micro-batches.
@Suite struct GradientAccumulationTests {
    /// y = (x Wᵀ) Wᵀ
    @Test func aParameterUsedTwice() {
        OperationCheck(
            inputs: [randomTensor([5, 17], seed: 1), randomTensor([17, 17], seed: 2, deviation: 0.3)],
            operation: { tape, inputs in
                tape.linear(
                    tape.linear(inputs[0], weight: inputs[1], bias: nil), weight: inputs[1], bias: nil)
            },
            reference: {
                Reference.linear(Reference.linear($0[0], $0[1], nil, inputs: 17), $0[1], nil, inputs: 17)
            }
        ).run()
    }

    /// A variable that three kinds of operations read, one of them twice.
    @Test func aVariableUsedByManyOperations() {
        let index: [Int32] = [1, 1, 4, 0, 2, 3]
        OperationCheck(
            inputs: [
                randomTensor([6, 16], seed: 1), randomTensor([16, 16], seed: 2, deviation: 0.3),
                randomTensor([16], seed: 3), randomTensor([16], seed: 4),
            ],
            operation: { tape, inputs in
                let x = inputs[0]
                let normed = tape.layerNorm(x, weight: inputs[2], bias: inputs[3])
                let mapped = tape.linear(x, weight: inputs[1], bias: inputs[3])
                let picked = tape.gatherRows([x], index: index)
                return tape.add(
                    tape.add(normed, tape.add(x, x)), tape.residual(mapped, picked, scale: inputs[2]))
            },
            reference: {
                let x = $0[0]
                let normed = Reference.layerNorm(x, $0[2], $0[3])
                let mapped = Reference.linear(x, $0[1], $0[3], inputs: 16)
                let picked = Reference.gatherRows([x], index, channels: 16)
                let rest = Reference.residual(mapped, picked, $0[2])
                return x.indices.map { normed[$0] + 2 * x[$0] + rest[$0] }
            }
        ).run()
    }

    /// An activation, not a leaf, that several operations read; SwiGLU either overwrites or adds.
    @Test func anActivationUsedByManyOperations() {
        OperationCheck(
            inputs: [randomTensor([4, 32], seed: 1), randomTensor([32, 16], seed: 2, deviation: 0.3)],
            operation: { tape, inputs in
                let h = tape.add(inputs[0], inputs[0])
                let gated = tape.swiglu(h)
                let widened = tape.linear(gated, weight: inputs[1], bias: nil)
                return tape.add(
                    tape.linear(tape.swiglu(h), weight: inputs[1], bias: nil), tape.residual(h, widened))
            },
            reference: {
                let h = $0[0].map { 2 * $0 }
                let widened = Reference.linear(Reference.swiglu(h, channels: 16), $0[1], nil, inputs: 16)
                return h.indices.map { h[$0] + 2 * widened[$0] }
            }
        ).run()
    }

    /// A sum passes its gradient on without a copy: changing it in one input must not change the seed or the other
    /// input.
    @Test func sharedGradientsStayApart() throws {
        let (a, b) = (
            Variable(leaf: randomTensor([3, 17], seed: 1)), Variable(leaf: randomTensor([3, 17], seed: 2))
        )
        let seed = randomTensor([3, 17], seed: 3)
        let before = seed.array
        let tape = Tape()
        let y = tape.add(tape.add(tape.add(a, b), a), a)
        tape.backward(from: y, seed: seed)
        #expect(b.gradient?.array == before)
        expectClose(
            try #require(a.gradient).doubles, before.map { 3 * Double($0) }, 1e-6, "three times the gradient")
        #expect(seed.array == before)

        // Another tape adds to one of the inputs.
        let second = Tape()
        second.backward(from: second.add(b, b), seed: Tensor(repeating: 1, shape: [3, 17]))
        expectClose(
            try #require(b.gradient).doubles, before.map { Double($0) + 2 }, 1e-6, "the input that is added to")
        expectClose(
            try #require(a.gradient).doubles, before.map { 3 * Double($0) }, 1e-6,
            "the input that is left alone")
        #expect(seed.array == before)
    }

    /// y = x + s ⊙ f(x): the gradient of the residual reaches x first, and the branch adds to it.
    @Test(arguments: [false, true]) func aResidualBranch(isScaled: Bool) {
        var inputs = [
            randomTensor([5, 16], seed: 1), randomTensor([16, 16], seed: 2), randomTensor([16], seed: 3),
        ]
        if isScaled { inputs.append(randomTensor([16], seed: 4)) }
        OperationCheck(
            inputs: inputs,
            operation: { tape, inputs in
                let x = inputs[0]
                let y = tape.residualLinear(
                    x, x, weight: inputs[1], bias: inputs[2], scale: isScaled ? inputs[3] : nil)
                return tape.residual(y, tape.linear(y, weight: inputs[1], bias: inputs[2]))
            },
            reference: {
                let branch = Reference.linear($0[0], $0[1], $0[2], inputs: 16)
                let y = Reference.residual($0[0], branch, isScaled ? $0[3] : nil)
                return Reference.residual(y, Reference.linear(y, $0[1], $0[2], inputs: 16), nil)
            }
        ).run()
    }

    /// A network of every operation with parameters.
    private struct Network {
        let parameters: [Variable]

        /// The memory of the gradients holds NaN, as if left by an earlier step.
        init() {
            let shapes = [[3, 16], [16, 16], [16], [16], [16], [16], [1, 16]]
            parameters = shapes.enumerated().map {
                Variable(
                    parameter: randomTensor($1, seed: UInt64(40 + $0), deviation: 0.5),
                    gradient: Tensor(repeating: .nan, shape: $1))
            }
        }

        func run(_ identities: [Int32]) {
            let tape = Tape()
            let p = parameters
            let x = tape.embedding(p[0], index: identities)
            let registered = tape.gatherRows([p[6], x], index: [0] + x.rows.map { Int32(1 + $0) })
            let normed = tape.layerNorm(registered, weight: p[2], bias: p[3])
            let y = tape.residual(registered, tape.linear(normed, weight: p[1], bias: p[4]), scale: p[5])
            // The seed is a function of the row, so that parts of a batch add up to the whole; it is 0 for the
            // register.
            let seed =
                [Float](repeating: 0, count: 16)
                + identities.flatMap { identity in (0..<16).map { Float(($0 + Int(identity)) % 5) - 2 } }
            tape.backward(from: y, seed: Tensor(seed, shape: y.shape))
        }

        var gradients: [[Double]] { parameters.map { $0.gradient?.doubles ?? [] } }
    }

    /// Micro-batches are summed; a reset discards the gradient without zeroing its memory.
    @Test func aParameterOverSeveralTapes() {
        let (first, second): ([Int32], [Int32]) = ([0, 1, 1, 2, 0], [2, 2, 1])
        let network = Network()
        #expect(network.gradients.joined().isEmpty)
        network.run(first + second)
        let whole = network.gradients
        for parameter in network.parameters { parameter.resetGradient() }
        #expect(network.gradients.joined().isEmpty)
        network.run(first)
        network.run(second)
        for (sum, expected) in zip(network.gradients, whole) {
            expectClose(sum, expected, 1e-5, "the sum over two tapes")
        }
        for parameter in network.parameters { parameter.resetGradient() }
        network.run(first + second)
        #expect(network.gradients == whole, "values from before a reset remain")
    }

    /// The input of a loss may be a parameter.
    @Test func lossesOfAParameterAddUp() throws {
        let values = randomTensor([3, 5], seed: 1)
        let parameter = Variable(parameter: values.copy(), gradient: Tensor(repeating: .nan, shape: [3, 5]))
        let target = Tensor(repeating: 0, shape: [3, 5])
        _ = Tape().mseLoss(parameter, target: target, scale: 0.5)
        _ = Tape().mseLoss(parameter, target: target, scale: 1)
        expectClose(
            try #require(parameter.gradient).doubles, values.doubles.map { 3 * $0 }, 1e-6, "the gradient")
        #expect(parameter.value.array == values.array)
    }
}

extension Variable {
    fileprivate var rows: Range<Int> { 0..<value.rows }
}

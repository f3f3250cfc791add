import Tensors
import Testing

@Suite struct TapeTests {
    private func parameter(_ shape: [Int], seed: UInt64) -> Variable {
        Variable(parameter: randomTensor(shape, seed: seed), gradient: Tensor(repeating: .nan, shape: shape))
    }

    /// The callback runs once for each parameter, when its gradient is final: after the gradient of its first use.
    @Test func completeGradientsAreAnnouncedOnce() throws {
        let shared = parameter([16, 16], seed: 1)
        let (early, late, bias) = (
            parameter([16, 16], seed: 2), parameter([16, 16], seed: 3), parameter([16], seed: 4)
        )
        let names = [
            ObjectIdentifier(shared): "shared", ObjectIdentifier(early): "early",
            ObjectIdentifier(late): "late",
            ObjectIdentifier(bias): "bias",
        ]
        let leaf = Variable(leaf: randomTensor([5, 16], seed: 5))
        for step in 0..<2 {
            var announced: [(name: String, gradient: [Float])] = []
            let tape = Tape()
            tape.onGradientComplete = { variable in
                announced.append(
                    (names[ObjectIdentifier(variable)] ?? "another", variable.gradient?.array ?? []))
            }
            // shared · early · shared · late · shared, the bias in the first and the last
            var x = tape.linear(leaf, weight: shared, bias: bias)
            x = tape.linear(x, weight: early, bias: nil)
            x = tape.linear(x, weight: shared, bias: nil)
            x = tape.linear(x, weight: late, bias: nil)
            x = tape.linear(x, weight: shared, bias: bias)
            #expect(announced.isEmpty)
            tape.backward(from: x, seed: randomTensor([5, 16], seed: 6))
            #expect(announced.prefix(2).map(\.name) == ["late", "early"], "in step \(step)")
            #expect(announced.dropFirst(2).map(\.name).sorted() == ["bias", "shared"], "in step \(step)")
            for (name, gradient) in announced {
                let variable = try #require(
                    [shared, early, late, bias].first { names[ObjectIdentifier($0)] == name })
                #expect(gradient == variable.gradient?.array, "\(name) changed after it was announced")
                #expect(gradient.areFinite)
            }
        }
    }

    /// Products of an evaluation within a forward pass count as those of the tape.
    @Test func evaluationsAreCounted() {
        let (x, weight) = (Variable(leaf: randomTensor([2, 4], seed: 2)), parameter([3, 4], seed: 1))
        let tape = Tape()
        let y = tape.evaluating { $0.linear(x, weight: weight, bias: nil) }
        #expect(!y.requiresGradient && tape.operations == 2 * 2 * 3 * 4)
        _ = tape.linear(x, weight: weight, bias: nil)
        #expect(tape.operations == 2 * 2 * 2 * 3 * 4)
    }

    /// A tape that does not record never calls back.
    @Test func evaluationAnnouncesNothing() {
        let weight = parameter([4, 4], seed: 1)
        let tape = Tape(recording: false)
        tape.onGradientComplete = { _ in Issue.record("a gradient in evaluation") }
        let y = tape.linear(Variable(leaf: randomTensor([2, 4], seed: 2)), weight: weight, bias: nil)
        #expect(!y.requiresGradient)
        tape.backward(from: y, seed: Tensor(repeating: 1, shape: [2, 4]))
        #expect(weight.gradient == nil)
    }

    /// Nothing is recorded if no input requires a gradient.
    @Test func constantsAreNotDifferentiated() {
        let tape = Tape()
        let x = Variable(constant: randomTensor([2, 4], seed: 1))
        let y = tape.swiglu(tape.add(x, x))
        #expect(!y.requiresGradient)
        tape.backward(from: y, seed: Tensor(repeating: 1, shape: [2, 2]))
        #expect(x.gradient == nil && y.gradient == nil)
    }

    /// Frozen parameters and data get no gradient, whatever the operation.
    @Test func aConstantBesideAParameterGetsNoGradient() {
        let constant = Variable(constant: randomTensor([4, 16], seed: 1))
        let frozen = Variable(constant: randomTensor([16], seed: 2))
        let square = Variable(constant: randomTensor([16, 16], seed: 3))
        let leaf = Variable(leaf: randomTensor([4, 16], seed: 4))
        let vector = Variable(leaf: randomTensor([16], seed: 5))
        let seed = Tensor(repeating: 1, shape: [4, 16])
        let uses: [(String, (Tape) -> Variable)] = [
            ("add", { $0.add(constant, leaf) }),
            ("scaled residual", { $0.residual(leaf, constant, scale: frozen) }),
            ("residual of a constant", { $0.residual(constant, leaf, scale: frozen) }),
            ("linear", { $0.linear(constant, weight: square, bias: vector) }),
            ("residual linear", { $0.residualLinear(leaf, constant, weight: square, bias: vector, scale: frozen) }),
            ("residual linear of a constant", { $0.residualLinear(constant, leaf, weight: square, bias: frozen) }),
            ("frozen linear", { $0.linear(leaf, weight: square, bias: frozen) }),
            ("norm of a leaf", { $0.layerNorm(leaf, weight: frozen, bias: vector) }),
            ("gather", { $0.gatherRows([constant, leaf], index: [0, 4, 5, 1]) }),
        ]
        for (name, use) in uses {
            let tape = Tape()
            tape.backward(from: use(tape), seed: seed.copy())
            #expect([constant, frozen, square].allSatisfy { $0.gradient == nil }, "after \(name)")
        }
    }

    @Test func theNormOfAConstantLeavesItAlone() {
        let constant = Variable(constant: randomTensor([4, 16], seed: 1))
        let (weight, bias) = (parameter([16], seed: 2), parameter([16], seed: 3))
        let tape = Tape()
        let y = tape.layerNorm(constant, weight: weight, bias: bias)
        tape.backward(from: y, seed: Tensor(repeating: 1, shape: [4, 16]))
        #expect(constant.gradient == nil)
        #expect(bias.gradient?.array == [Float](repeating: 4, count: 16))
    }

    /// Operations that the loss does not depend on cost no time and receive no gradient.
    @Test func unusedBranchesAreSkipped() {
        let weight = parameter([4, 4], seed: 1)
        let x = Variable(leaf: randomTensor([2, 4], seed: 2))
        let tape = Tape()
        _ = tape.linear(x, weight: weight, bias: nil)
        let y = tape.add(x, x)
        let before = tape.operations
        tape.backward(from: y, seed: Tensor(repeating: 1, shape: [2, 4]))
        #expect(weight.gradient == nil)
        #expect(tape.operations == before)
        #expect(x.gradient?.array == [Float](repeating: 2, count: 8))
    }

    /// Several losses on one tape, one backward pass.
    @Test func severalLossesShareAPass() throws {
        let x = randomTensor([4, 6], seed: 1)
        let weight = randomTensor([5, 6], seed: 2)
        let targets = randomTensor([4, 5], seed: 3)
        func gradient(_ losses: [(Tape, Variable) -> Void]) throws -> [Double] {
            let leaf = Variable(leaf: weight.copy())
            let tape = Tape()
            let input = Variable(constant: x)
            for loss in losses { loss(tape, tape.linear(input, weight: leaf, bias: nil)) }
            tape.backward()
            return try #require(leaf.gradient).doubles
        }
        let losses: [(Tape, Variable) -> Void] = [
            { _ = $0.crossEntropy($1, target: [0, 1, 4, 2], scale: 0.5) },
            { _ = $0.mseLoss($1, target: targets, scale: 0.25) },
        ]
        let together = try gradient(losses)
        let (first, second) = (try gradient([losses[0]]), try gradient([losses[1]]))
        expectClose(together, zip(first, second).map(+), 1e-5, "the gradient of the sum")
    }
}

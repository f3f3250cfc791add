import Tensors
import Testing

/// The finding names the operation and parameters of the first non-finite value.
@Suite struct AnomalyDetectorTests {
    private func parameter(_ rows: [[Float]]) -> Variable {
        let shape = [rows.count, rows[0].count]
        return Variable(
            parameter: Tensor(rows.flatMap { $0 }, shape: shape),
            gradient: Tensor(repeating: 0, shape: shape))
    }

    private func detector(_ names: [(Variable, String)]) -> AnomalyDetector {
        AnomalyDetector { variable in names.first { $0.0 === variable }?.1 }
    }

    private func leaf(_ rows: [[Float]]) -> Variable {
        Variable(leaf: Tensor(rows.flatMap { $0 }, shape: [rows.count, rows[0].count]))
    }

    @Test func whatIsFiniteIsNoFinding() throws {
        let weight = parameter([[1, 2], [3, 4]])
        let detector = detector([(weight, "w")])
        let tape = Tape(anomalies: detector)
        // The squares of these overflow in single precision.
        let y = tape.linear(leaf([[1e30, -1e30]]), weight: weight, bias: nil)
        tape.backward(from: y, seed: Tensor([1, 1], shape: [1, 2]))
        #expect(detector.finding == nil)
        #expect(try #require(weight.gradient).array == [1e30, -1e30, 1e30, -1e30])
    }

    @Test func theOperationThatOverflowsIsNamed() {
        let (first, second) = (parameter([[1, 0], [0, 1]]), parameter([[1e30, 1], [1, 1]]))
        let detector = detector([(first, "a.weight"), (second, "b.weight")])
        let tape = Tape(anomalies: detector)
        let x = tape.linear(leaf([[1e30, 1]]), weight: first, bias: nil)
        _ = tape.linear(x, weight: second, bias: nil)
        #expect(detector.finding == "the forward pass of linear (b.weight) gave a value that is not finite")
    }

    @Test(arguments: [Float.nan, .infinity]) func aParameterThatIsBrokenAlreadyIsTheCause(value: Float) {
        let weight = parameter([[1, value], [0, 1]])
        let detector = detector([(weight, "a.weight")])
        _ = Tape(anomalies: detector).linear(leaf([[1, 1]]), weight: weight, bias: nil)
        #expect(
            detector.finding
                == "the forward pass of linear (a.weight) gave a value that is not finite, because a.weight "
                + "is not finite already")
    }

    @Test func anInputThatIsBrokenAlreadyIsTheCause() {
        let weight = parameter([[1, 0], [0, 1]])
        let detector = detector([(weight, "a.weight")])
        _ = Tape(anomalies: detector).linear(leaf([[.nan, 1]]), weight: weight, bias: nil)
        #expect(detector.finding?.hasSuffix(", because its input is not finite already") == true)
    }

    /// Values are checked in evaluation too.
    @Test func evaluationIsLookedAt() {
        let weight = parameter([[.nan, 0], [0, 1]])
        let detector = detector([(weight, "a.weight")])
        _ = Tape(recording: false, anomalies: detector).linear(leaf([[1, 1]]), weight: weight, bias: nil)
        #expect(detector.finding != nil)
    }

    @Test func anOperationWithoutParametersIsNamedByTheOneBefore() {
        let weight = parameter([[1e30, 0], [0, 1e30]])
        let detector = detector([(weight, "a.weight")])
        let tape = Tape(anomalies: detector)
        let x = tape.linear(leaf([[1, 1]]), weight: weight, bias: nil)
        _ = tape.swiglu(x)
        #expect(
            detector.finding
                == "the forward pass of SwiGLU (after linear of a.weight) gave a value that is not finite")
    }

    /// Later non-finite values that follow from the first are not reported.
    @Test func theFirstFindingStays() {
        let (first, second) = (parameter([[.nan, 0], [0, 1]]), parameter([[1, 0], [0, 1]]))
        let detector = detector([(first, "a.weight"), (second, "b.weight")])
        let tape = Tape(anomalies: detector)
        let x = tape.linear(leaf([[1, 1]]), weight: first, bias: nil)
        let y = tape.linear(x, weight: second, bias: nil)
        tape.backward(from: y, seed: Tensor([.nan, 1], shape: [1, 2]))
        detector.note("something else")
        #expect(detector.finding?.hasPrefix("the forward pass of linear (a.weight)") == true)
    }

    @Test func aFindingFromElsewhereIsKept() {
        let detector = detector([])
        detector.note("the gradient of rank 3 is not finite")
        detector.note("something else")
        #expect(detector.finding == "the gradient of rank 3 is not finite")
    }

    @Test func aLossWithoutFiniteGradientIsNamed() {
        let weight = parameter([[1, 0], [0, 1]])
        let detector = detector([(weight, "a.weight")])
        let tape = Tape(anomalies: detector)
        let y = tape.linear(leaf([[1, 1]]), weight: weight, bias: nil)
        tape.backward(from: y, seed: Tensor([.infinity, 0], shape: [1, 2]))
        #expect(
            detector.finding
                == "the loss gave a gradient that is not finite to the output of linear (a.weight)")
    }

    /// The second factor of a gradient is the input of the forward pass.
    @Test func theOperationWhoseGradientOverflowsIsNamed() {
        let weight = parameter([[1, 0], [0, 1]])
        let detector = detector([(weight, "a.weight")])
        let tape = Tape(anomalies: detector)
        let y = tape.linear(leaf([[1e30, 1]]), weight: weight, bias: nil)
        tape.backward(from: y, seed: Tensor([1e30, 0], shape: [1, 2]))
        #expect(
            detector.finding
                == "the backward pass of linear (a.weight) gave a gradient that is not finite to a.weight")
    }
}

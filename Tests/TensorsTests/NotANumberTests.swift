import Foundation
import Tensors
import Testing

/// NaN must propagate to the loss and the gradient, where the training loop detects it: no kernel may lose it in a
/// maximum, a clamp or a comparison. It is placed at every position of rows that end in the tail of a vector.
@Suite struct NotANumberTests {
    private static let width = 35
    private static let places = Array(0..<width)

    private func row(_ place: Int, rows: Int = 2, width: Int = width) -> Tensor {
        var values = randomTensor([rows, width], seed: 1).array
        values[place] = .nan
        return Tensor(values, shape: [rows, width])
    }

    private let weight = Variable(leaf: randomTensor([width], seed: 2))
    private let bias = Variable(leaf: randomTensor([width], seed: 3))

    @Test(arguments: places) func layerNorm(place: Int) throws {
        let x = Variable(leaf: row(place))
        let tape = Tape()
        let y = tape.layerNorm(x, weight: weight, bias: bias)
        let width = Self.width
        #expect(y.value.array[..<width].areNaN, "all of the row")
        #expect(y.value.array[width...].areFinite, "and nothing else")
        tape.backward(from: y, seed: randomTensor(y.shape, seed: 4))
        let gradient = try #require(x.gradient).array
        #expect(gradient[..<width].areNaN)
        #expect(gradient[width...].areFinite)
        #expect(weight.gradient?.array.areNaN == true)
    }

    /// In the query, the key or the value of one token of the first jet.
    @Test(arguments: [0, 1, 2], [0, 8, 16, 18]) func softmax(part: Int, token: Int) throws {
        var values = randomTensor([25, 12], seed: 1).array
        values[token * 12 + part * 4 + 1] = .nan
        let x = Variable(leaf: Tensor(values, shape: [25, 12]))
        let tape = Tape()
        let y = tape.selfAttention(x, offsets: Offsets(counts: [19, 6]), heads: 2)
        // The first head has channels 0 and 1. NaN in a query affects its token, in a key or a value the whole jet.
        let spoilt = part == 0 ? [token] : Array(0..<19)
        for token in spoilt { #expect(y.value.array[token * 4 + 1].isNaN) }
        #expect(y.value.array[(19 * 4)...].areFinite, "and no other jet")
        tape.backward(from: y, seed: randomTensor(y.shape, seed: 4))
        let gradient = try #require(x.gradient).array
        #expect(gradient[..<(19 * 12)].contains { $0.isNaN })
        #expect(gradient[(19 * 12)...].areFinite)
    }

    @Test(arguments: places) func crossEntropy(place: Int) throws {
        for (target, smoothing) in [(0, 0), (place, 0), (Self.width - 1, 0.1)] as [(Int, Float)] {
            let logits = Variable(leaf: row(place))
            let loss = Tape().crossEntropy(
                logits, target: [Int32(target), 0], smoothing: smoothing, scale: 1)
            #expect(loss.isNaN)
            let gradient = try #require(logits.gradient).array
            #expect(gradient[..<Self.width].areNaN)
            #expect(gradient[Self.width...].areFinite)
            let evaluated = Tape(recording: false).crossEntropy(
                Variable(leaf: row(place)), target: [Int32(target), 0], smoothing: smoothing, scale: 1)
            #expect(evaluated.isNaN)
        }
    }

    @Test(arguments: places) func elementLosses(place: Int) throws {
        let target = randomTensor([2, Self.width], seed: 9)
        let losses: [(Tape, Variable, Tensor) -> Double] = [
            { $0.l1Loss($1, target: $2, scale: 1) }, { $0.mseLoss($1, target: $2, scale: 1) },
        ]
        for loss in losses {
            for (x, target) in [(row(place), target), (target, row(place))] {
                let x = Variable(leaf: x)
                #expect(loss(Tape(), x, target).isNaN)
                let gradient = try #require(x.gradient).array
                #expect(gradient.placesOfNaN == [place])
                #expect(loss(Tape(recording: false), x, target).isNaN)
            }
        }
    }

    /// In the gate or in the value.
    @Test(arguments: places, [0, 1]) func swiglu(place: Int, half: Int) throws {
        let x = Variable(leaf: row(half * Self.width + place, width: 2 * Self.width))
        let tape = Tape()
        let y = tape.swiglu(x)
        #expect(y.value.array.placesOfNaN == [place])
        tape.backward(from: y, seed: randomTensor(y.shape, seed: 4))
        let gradient = try #require(x.gradient).array
        #expect(gradient[place].isNaN)
        #expect(gradient.placesOfNaN.count <= 2)
    }

    /// Residual sums, gathered rows, affine maps and the norm of a gradient.
    @Test(arguments: places) func sums(place: Int) throws {
        let (x, other) = (Variable(leaf: row(place)), Variable(leaf: randomTensor([2, Self.width], seed: 5)))
        let tape = Tape()
        for y in [
            tape.residual(other, x), tape.residual(other, x, scale: weight),
            tape.residual(x, other, scale: weight),
        ] {
            #expect(y.value.array.placesOfNaN == [place])
        }
        #expect(tape.gatherRows([other, x], index: [2, 0]).value.array[place].isNaN)
        let matrix = Variable(leaf: randomTensor([17, Self.width], seed: 6))
        #expect(tape.linear(x, weight: matrix, bias: nil).value.array[..<17].areNaN)
        #expect(x.value.sumOfSquares.isNaN)
    }
}

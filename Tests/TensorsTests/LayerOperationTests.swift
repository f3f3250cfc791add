import Tensors
import Testing

/// Norms, gates and attention.
@Suite struct LayerOperationTests {
    private func layerNorm(_ x: Tensor, tolerance: Double = 1e-5) {
        let channels = x.columns
        OperationCheck(
            inputs: [x, randomTensor([channels], seed: 2), randomTensor([channels], seed: 3)],
            operation: { $0.layerNorm($1[0], weight: $1[1], bias: $1[2]) },
            reference: { Reference.layerNorm($0[0], $0[1], $0[2]) }, tolerance: tolerance, elements: 24
        ).run()
    }

    // A row of one channel becomes its bias; the rest is rounding over √ε.
    @Test(arguments: awkwardWidths) func layerNorm(channels: Int) {
        layerNorm(randomTensor([5, channels], seed: 1), tolerance: channels == 1 ? 1e-3 : 1e-5)
    }

    @Test(arguments: [512, 1000, 4099]) func layerNormOfWideRows(channels: Int) {
        layerNorm(randomTensor([3, channels], seed: 1))
    }

    /// The variance survives a much larger mean.
    @Test func layerNormFarFromZero() {
        layerNorm(randomTensor([3, 333], seed: 1, mean: 200), tolerance: 2e-4)
    }

    /// Rows of zero variance do not divide by zero.
    @Test func layerNormOfEqualValues() throws {
        let x = Variable(leaf: Tensor(repeating: 3, shape: [2, 16]))
        let ones = Variable(leaf: Tensor(repeating: 1, shape: [16]))
        let bias = Variable(leaf: Tensor(repeating: 0.5, shape: [16]))
        let tape = Tape()
        let y = tape.layerNorm(x, weight: ones, bias: bias)
        #expect(y.value.array.allSatisfy { $0 == 0.5 })
        tape.backward(from: y, seed: randomTensor([2, 16], seed: 4))
        #expect(x.gradient?.array.areFinite == true)
    }

    /// ε is a parameter.
    @Test func layerNormEpsilon() {
        OperationCheck(
            inputs: [
                randomTensor([3, 17], seed: 1), randomTensor([17], seed: 2), randomTensor([17], seed: 3),
            ],
            operation: { $0.layerNorm($1[0], weight: $1[1], bias: $1[2], epsilon: 0.5) },
            reference: { Reference.layerNorm($0[0], $0[1], $0[2], epsilon: 0.5) }
        ).run()
    }

    @Test(arguments: awkwardWidths) func swiglu(channels: Int) {
        OperationCheck(
            inputs: [randomTensor([3, 2 * channels], seed: 1, deviation: 2)], operation: { $0.swiglu($1[0]) },
            reference: { Reference.swiglu($0[0], channels: channels) }
        ).run()
    }

    /// Jets of zero, one and many tokens; head sizes around the vector width.
    @Test(arguments: [(1, 1), (2, 8), (1, 33), (4, 15), (3, 17)]) func selfAttention(heads: Int, size: Int) {
        let counts = [4, 0, 1, 17, 0]
        OperationCheck(
            inputs: [randomTensor([22, 3 * heads * size], seed: 1)],
            operation: { $0.selfAttention($1[0], offsets: Offsets(counts: counts), heads: heads) },
            reference: { Reference.selfAttention($0[0], counts: counts, heads: heads, size: size) },
            elements: 48
        ).run()
    }

    /// Jets around the vector width, since the mask is computed by lanes.
    @Test(arguments: [(2, 8), (1, 33), (3, 16)]) func causalAttention(heads: Int, size: Int) {
        let counts = [4, 0, 1, 17, 16]
        OperationCheck(
            inputs: [randomTensor([38, 3 * heads * size], seed: 1)],
            operation: {
                $0.selfAttention($1[0], packing: Packing(Offsets(counts: counts), isCausal: true), heads: heads)
            },
            reference: { Reference.selfAttention($0[0], counts: counts, heads: heads, size: size, isCausal: true) },
            elements: 48
        ).run()
    }

    /// Later tokens change no bit of the output, even where their scores are the largest.
    @Test func causalAttentionIgnoresLaterTokens() {
        let x = randomTensor([40, 48], seed: 1)
        let changed = x.copy()
        for i in 20 * 48..<40 * 48 { changed.buffer[i] *= 100 }
        let packing = Packing(Offsets(counts: [40]), isCausal: true)
        let outputs = [x, changed].map {
            Tape(recording: false).selfAttention(Variable(constant: $0), packing: packing, heads: 2).value
        }
        #expect(outputs[0].rows(0..<20).array == outputs[1].rows(0..<20).array)
        #expect(outputs[0].rows(20..<40).array != outputs[1].rows(20..<40).array)
    }

    /// A single token attends to itself: the output is its value, and query and key have no gradient.
    @Test func attentionOfOneToken() throws {
        let x = Variable(leaf: randomTensor([1, 24], seed: 1))
        let tape = Tape()
        let y = tape.selfAttention(x, offsets: Offsets(counts: [1]), heads: 2)
        #expect(y.value.array == Array(x.value.array[16...]))
        tape.backward(from: y, seed: Tensor((1...8).map(Float.init), shape: [1, 8]))
        #expect(x.gradient?.array == [Float](repeating: 0, count: 16) + (1...8).map(Float.init))
    }

    /// All jets are empty.
    @Test(arguments: [[], [0], [0, 0, 0]]) func attentionOfNoToken(counts: [Int]) throws {
        let x = Variable(leaf: Tensor(shape: [0, 24]))
        let tape = Tape()
        let y = tape.selfAttention(x, offsets: Offsets(counts: counts), heads: 2)
        #expect(y.shape == [0, 8])
        tape.backward(from: y, seed: Tensor(shape: [0, 8]))
        #expect(x.gradient?.shape == [0, 24])
    }

    /// The result for a jet does not depend on the other jets.
    @Test func attentionStaysInsideTheJet() {
        let counts = [5, 16, 1, 9]
        let x = randomTensor([31, 48], seed: 1)
        let together = Tape(recording: false).selfAttention(
            Variable(constant: x), offsets: Offsets(counts: counts), heads: 4
        ).value
        var first = 0
        for count in counts {
            let rows = first..<first + count
            let alone = Tape(recording: false).selfAttention(
                Variable(constant: x.rows(rows).copy()), offsets: Offsets(counts: [count]), heads: 4
            ).value
            expectClose(alone.doubles, together.rows(rows).doubles, 1e-6, "a jet alone")
            first += count
        }
    }
}

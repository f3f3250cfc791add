import Models
import NN
import Tensors
import Testing

@Suite struct TransformerEncoderTests {
    private func encoder(_ shape: TransformerShape) -> TransformerEncoder {
        let builder = ParameterBuilder()
        let encoder = TransformerEncoder(shape, in: builder.root)
        builder.build(seed: 3).randomize()
        return encoder
    }

    private func parameters(_ shape: TransformerShape) -> Int {
        let builder = ParameterBuilder()
        _ = TransformerEncoder(shape, in: builder.root)
        return builder.build(seed: 0).count
    }

    private let small = TransformerShape(width: 32, layers: 2, heads: 4, registers: 3)

    /// Counted layer by layer.
    private func expectedParameters(_ shape: TransformerShape) -> Int {
        let (width, hidden) = (shape.width, shape.feedForwardMultiplier * shape.width)
        let attention = (3 * width * width + 3 * width) + (width * width + width)
        let feedForward = (2 * hidden * width + 2 * hidden) + (width * hidden + width)
        let norms = 2 * (width + width)
        let scales = shape.layerScale == nil ? 0 : 2 * width
        return shape.layers * (attention + feedForward + norms + scales)
            + (shape.finalNorm ? 2 * width : 0) + shape.registers * width
    }

    /// 21.0 million, as in the paper, without its registers.
    @Test func thePapersEncoder() {
        let shape = TransformerShape(width: 512, layers: 8, heads: 8)
        #expect(expectedParameters(shape) == 21_033_984)
        #expect(parameters(shape) == 21_033_984)
    }

    @Test func everyPartCounts() {
        var shape = TransformerShape(width: 24, layers: 3, heads: 2)
        #expect(parameters(shape) == expectedParameters(shape))
        shape.registers = 8
        #expect(parameters(shape) == expectedParameters(shape))
        shape.finalNorm = false
        #expect(parameters(shape) == expectedParameters(shape))
        shape.layerScale = nil
        #expect(parameters(shape) == expectedParameters(shape))
        shape.feedForwardMultiplier = 4
        #expect(parameters(shape) == expectedParameters(shape))
    }

    /// The encoder is equivariant under permutations of the tokens of a jet.
    @Test(arguments: [0, 3]) func permutationsOfAJetPassThrough(registers: Int) {
        var shape = small
        shape.registers = registers
        let encoder = encoder(shape)
        let (counts, x) = ([6, 1, 9], randomTensor([16, 32], seed: 4))
        // The reverse order within each jet.
        let order = Array((0..<6).reversed()) + [6] + Array((7..<16).reversed())
        let tape = Tape(recording: false)
        let (plain, offsets) = encoder(Variable(constant: x), packing: Packing(Offsets(counts: counts)), on: tape)
        let (turned, _) = encoder(
            Variable(constant: x.picking(order)), packing: Packing(Offsets(counts: counts)), on: tape)
        var outputOrder: [Int] = []
        for (jet, count) in counts.enumerated() {
            let first = offsets[jet].lowerBound
            outputOrder +=
                Array(first..<first + registers) + (0..<count).reversed().map { first + registers + $0 }
        }
        #expect(plain.value.picking(outputOrder).distance(to: turned.value) < 1e-4)
        #expect(
            plain.value.distance(to: turned.value) > 0.1, "the order matters somewhere, or this tests nothing"
        )
    }

    /// A jet has the same output alone and packed with others, among them jets without tokens.
    @Test(arguments: [0, 3]) func jetsDoNotSeeEachOther(registers: Int) {
        var shape = small
        shape.registers = registers
        let encoder = encoder(shape)
        let (counts, x) = ([6, 0, 1, 19, 0], randomTensor([26, 32], seed: 4))
        let tape = Tape(recording: false)
        let (together, offsets) = encoder(Variable(constant: x), packing: Packing(Offsets(counts: counts)), on: tape)
        #expect(together.value.array.allSatisfy { $0.isFinite })
        var first = 0
        for (jet, count) in counts.enumerated() {
            let (alone, aloneOffsets) = encoder(
                Variable(constant: x.rows(first..<first + count).copy()), packing: Packing(Offsets(counts: [count])),
                on: tape)
            #expect(aloneOffsets.tokens == count + registers)
            #expect(alone.value.distance(to: together.value.rows(offsets[jet])) < 1e-4, "jet \(jet)")
            first += count
        }
    }

    /// Outputs of one jet have no gradient for the inputs of another.
    @Test func gradientsStayInsideTheJet() throws {
        let encoder = encoder(small)
        let x = Variable(leaf: randomTensor([16, 32], seed: 4))
        let tape = Tape()
        let (y, offsets) = encoder(x, packing: Packing(Offsets(counts: [6, 1, 9])), on: tape)
        let seed = Tensor(repeating: 0, shape: y.shape)
        for row in offsets[2] { for c in 0..<32 { seed.buffer[row * 32 + c] = Float(c % 3) } }
        tape.backward(from: y, seed: seed)
        let gradient = try #require(x.gradient)
        #expect(gradient.rows(0..<7).array.allSatisfy { $0 == 0 })
        #expect(gradient.rows(7..<16).sumOfSquares > 1e-6)
    }

    /// Registers come first in every jet, also in jets without tokens, and are the same for all jets.
    @Test func registersStandFirst() {
        let builder = ParameterBuilder()
        let encoder = TransformerEncoder(
            TransformerShape(width: 4, layers: 0, heads: 1, registers: 2, finalNorm: false), in: builder.root)
        let store = builder.build(seed: 0)
        let registers = store.parameters[0].variable.value
        #expect(store.parameters.map(\.name) == ["registers"] && registers.shape == [2, 4])
        let x = randomTensor([4, 4], seed: 1)
        let (y, offsets) = encoder(
            Variable(constant: x), packing: Packing(Offsets(counts: [3, 0, 1])), on: Tape(recording: false))
        #expect(offsets.values == [0, 5, 7, 10])
        let expected =
            registers.array + x.rows(0..<3).array + registers.array + registers.array
            + x.rows(3..<4).array
        #expect(y.value.array == expected)
    }

    @Test func noJetAtAll() {
        let encoder = encoder(small)
        let (y, offsets) = encoder(
            Variable(constant: Tensor(shape: [0, 32])), packing: Packing(Offsets(counts: [])),
            on: Tape(recording: false))
        #expect(y.shape == [0, 32] && offsets.jets == 0)
    }

    /// With residual scales at zero every block is the identity.
    @Test func layerScaleOfZero() {
        let builder = ParameterBuilder()
        let shape = TransformerShape(width: 32, layers: 2, heads: 4, layerScale: 0, finalNorm: false)
        let encoder = TransformerEncoder(shape, in: builder.root)
        _ = builder.build(seed: 3)
        let x = randomTensor([5, 32], seed: 4)
        let (y, _) = encoder(Variable(constant: x), packing: Packing(Offsets(counts: [5])), on: Tape(recording: false))
        #expect(y.value.array == x.array)
    }
}

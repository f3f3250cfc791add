import Golden
import Models
import NN
import Tensors
import Testing

@Suite struct NormformerTests {
    private let small = NormformerShape(width: 32, layers: 2, heads: 4, hidden: 24, dropout: 0.2)

    private func encoder(randomized: Bool = true) -> NormformerEncoder {
        let builder = ParameterBuilder()
        let encoder = NormformerEncoder(small, in: builder.root)
        let store = builder.build(seed: 3)
        if randomized { store.randomize() }
        return encoder
    }

    /// 40 million according to the paper: eight blocks of 5 255 680, the embedding and the last norm.
    @Test func thePapersBackbone() {
        let builder = ParameterBuilder()
        _ = Backbone(features: 3, identities: nil, blocks: .normformer(NormformerShape()), in: builder.root)
        let attention = 3 * 1024 * 1024 + 3 * 1024 + 2 * 1024 + 1024 * 1024 + 1024
        let feedForward = 512 * 1024 + 512 + 2 * 512 + 1024 * 512 + 1024
        let expected = 8 * (attention + feedForward + 2 * 2 * 1024) + (3 * 1024 + 1024) + 2 * 1024
        #expect(expected == 42_051_584)
        let store = builder.build(seed: 0)
        #expect(store.count == expected)
        #expect(store["encoder.layers.7.attention.qkv.weight"]?.shape == [3072, 1024])
        #expect(store["embedding.continuous.weight"]?.shape == [1024, 3])
    }

    /// Untrained blocks are the identity: the output is the layer norm of the input.
    @Test func blocksStartAsTheIdentity() {
        let builder = ParameterBuilder()
        let block = NormformerBlock(
            width: 32, heads: 4, hidden: 24, dropout: Dropout(rate: 0.2, place: 0), in: builder.root)
        _ = builder.build(seed: 1)
        let x = randomTensor([9, 32], seed: 2)
        let y = block(Variable(constant: x), packing: Packing(Offsets(counts: [5, 4])), on: Tape(recording: false))
        #expect(y.value.array == x.array)
    }

    /// Products of bfloat16 numbers are close to single precision, with widths that are multiples of a vector and
    /// others.
    @Test(.enabled(if: Precision.hasBFloat16), arguments: [48, 100]) func rounded(hidden: Int) throws {
        let builder = ParameterBuilder()
        let block = NormformerBlock(
            width: 32, heads: 4, hidden: hidden, dropout: Dropout(rate: 0, place: 0), in: builder.root)
        let store = builder.build(seed: 3)
        store.randomize()
        func run(_ precision: Precision) throws -> [Float] {
            let tape = Tape(precision: precision)
            let x = Variable(leaf: randomTensor([9, 32], seed: 2))
            store.resetGradients()
            let y = block(x, packing: Packing(Offsets(counts: [5, 4])), on: tape)
            tape.backward(from: y, seed: randomTensor([9, 32], seed: 4))
            return try y.value.array + #require(x.gradient).array + store.gradients.array
        }
        let single = try run(.single)
        let error = Precision.bfloat16.error(try run(.bfloat16), single)
        #expect(error > 0 && error <= Precision.bfloat16.goldenTolerance, "the block is off by \(error)")
    }

    /// A jet has the same output alone and packed with others, also with dropout.
    @Test(arguments: [false, true]) func jetsDoNotSeeEachOther(isTraining: Bool) {
        let encoder = encoder()
        let (counts, jets) = ([6, 0, 1, 3], [4, 9, 2, 100])
        let x = randomTensor([10, 32], seed: 1)
        func encode(_ x: Tensor, _ jets: [Int], _ counts: [Int]) -> Tensor {
            let offsets = Offsets(counts: counts)
            let keys = isTraining ? TokenKeys(seed: 1, epoch: 0, jets: jets, offsets: offsets) : nil
            return encoder(
                Variable(constant: x), packing: Packing(offsets), keys: keys, on: Tape(recording: false)
            ).value
        }
        let together = encode(x, jets, counts)
        #expect(together.array.allSatisfy { $0.isFinite })
        var first = 0
        for (jet, count) in zip(jets, counts) {
            let rows = first..<first + count
            #expect(encode(x.rows(rows).copy(), [jet], [count]).distance(to: together.rows(rows)) < 1e-4)
            first += count
        }
    }

    /// Without positions the encoder is equivariant under permutations of a jet.
    @Test func theOrderDoesNotCount() {
        let encoder = encoder()
        let x = randomTensor([6, 32], seed: 1)
        let rows = [3, 0, 5, 1, 2, 4]
        func encode(_ x: Tensor) -> Tensor {
            encoder(Variable(constant: x), packing: Packing(Offsets(counts: [6])), on: Tape(recording: false)).value
        }
        #expect(encode(x.picking(rows)).distance(to: encode(x).picking(rows)) < 1e-4)
    }

    /// Every block drops different elements; without keys there is no dropout.
    @Test func dropoutIsForTraining() {
        let encoder = encoder()
        let x = Variable(constant: randomTensor([6, 32], seed: 1))
        let offsets = Offsets(counts: [6])
        func encode(epoch: Int?) -> Tensor {
            let keys = epoch.map { TokenKeys(seed: 1, epoch: $0, jets: [5], offsets: offsets) }
            return encoder(x, packing: Packing(offsets), keys: keys, on: Tape(recording: false)).value
        }
        #expect(encode(epoch: nil).array == encode(epoch: nil).array)
        #expect(encode(epoch: 0).array == encode(epoch: 0).array)
        #expect(encode(epoch: 0).distance(to: encode(epoch: nil)) > 1e-2)
        #expect(encode(epoch: 0).distance(to: encode(epoch: 1)) > 1e-2)
    }

    /// The gradient with dropout is that of the network with the same elements dropped.
    @Test func gradientsWithDropout() throws {
        let builder = ParameterBuilder()
        let encoder = NormformerEncoder(small, in: builder.root)
        let store = builder.build(seed: 3)
        store.randomize()
        let offsets = Offsets(counts: [4, 3])
        let keys = TokenKeys(seed: 1, epoch: 0, jets: [5, 8], offsets: offsets)
        let (x, seed) = (randomTensor([7, 32], seed: 1), randomTensor([7, 32], seed: 2))
        func dot(_ a: Tensor, _ b: Tensor) -> Double {
            zip(a.buffer, b.buffer).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        func contracted(_ tape: Tape) -> (Variable, Double) {
            let y = encoder(Variable(constant: x), packing: Packing(offsets), keys: keys, on: tape)
            return (y, dot(y.value, seed))
        }
        let tape = Tape()
        tape.backward(from: contracted(tape).0, seed: seed.copy())
        store.zeroUnusedGradients()
        let direction = randomTensor([store.values.count], seed: 4)
        let expected = dot(store.gradients, direction)
        let start = store.values.copy()
        func moved(_ epsilon: Float) -> Double {
            for i in 0..<start.count { store.values.buffer[i] = start.buffer[i] + epsilon * direction.buffer[i] }
            return contracted(Tape(recording: false)).1
        }
        let norm = store.gradients.sumOfSquares.squareRoot()
        let errors = [Float(3e-3), 1e-3, 3e-4].map {
            abs((moved($0) - moved(-$0)) / (2 * Double($0)) - expected)
        }
        #expect(errors.min()! < 3e-3 * norm, "off by \(errors) at a norm of \(norm)")
    }
}

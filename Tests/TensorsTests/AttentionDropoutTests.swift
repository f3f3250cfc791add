import Tensors
import Testing

@Suite struct AttentionDropoutTests {
    private let counts = [5, 0, 1, 33, 140]
    private let jets = [12, 13, 1 << 33, 7, 8]

    private func dropout(
        rate: Float = 0.3, place: Int = 3, epoch: Int = 2, jets: [Int]? = nil, counts: [Int]? = nil
    ) -> AttentionDropout {
        let keys = TokenKeys(
            seed: 5, epoch: epoch, jets: jets ?? self.jets, offsets: Offsets(counts: counts ?? self.counts))
        return AttentionDropout(rate: rate, place: place, keys: keys)
    }

    private func attention(_ x: Tensor, _ dropout: AttentionDropout?, counts: [Int]? = nil) -> Tensor {
        Tape(recording: false).selfAttention(
            Variable(constant: x), packing: Packing(Offsets(counts: counts ?? self.counts)), heads: 2,
            dropout: dropout
        ).value
    }

    /// The mask of a weight: sixteen bits of the key of its jet and constituent.
    private func factor(heads: Int) -> (Int, Int, Int, Int) -> Double {
        { jet, head, query, key in
            let stream = RandomStream(rawValue: RandomStream.attentionDropout.rawValue | 3 << 16)
            let random = RandomKey(seed: 5, stream: stream, epoch: 2, jet: jets[jet], constituent: key)
            let block = head * (65536 / heads / 16 * 16) + 16 * (query / 128) + query % 16
            let piece = query % 128 / 16
            let bits = (random.block(block)[piece / 2] >> (16 * UInt32(piece % 2))) & 0xFFFF
            return bits < 19661 ? 0 : 65536 / (65536 - 19661)
        }
    }

    /// Values and gradients of the attention with these weights dropped, causal and not, in any number of heads.
    @Test(arguments: [(1, 16), (2, 8), (3, 5)], [false, true]) func reference(shape: (Int, Int), isCausal: Bool) {
        let (heads, size) = shape
        OperationCheck(
            inputs: [randomTensor([179, 3 * heads * size], seed: 1)],
            operation: {
                $0.selfAttention(
                    $1[0], packing: Packing(Offsets(counts: counts), isCausal: isCausal), heads: heads,
                    dropout: dropout())
            },
            reference: {
                Reference.selfAttention(
                    $0[0], counts: counts, heads: heads, size: size, isCausal: isCausal, factor: factor(heads: heads))
            },
            elements: 12
        ).run()
    }

    /// The gradients of the queries and of the context.
    @Test func crossAttention() {
        let (counts, contextCounts) = ([1, 0, 1, 3, 1], [4, 2, 33, 5, 0])
        let (query, context) = (randomTensor([6, 16], seed: 1), randomTensor([44, 32], seed: 2))
        func run(_ tape: Tape, _ inputs: [Variable]) -> Variable {
            tape.crossAttention(
                inputs[0], inputs[1], offsets: Offsets(counts: counts), contextOffsets: Offsets(counts: contextCounts),
                heads: 2, dropout: dropout(counts: counts))
        }
        let variables = [Variable(leaf: query.copy()), Variable(leaf: context.copy())]
        let tape = Tape()
        let y = run(tape, variables)
        let seed = randomTensor([6, 16], seed: 3)
        tape.backward(from: y, seed: seed.copy())
        expectDirectionalDerivative(
            { dot(run(Tape(recording: false), $0.map { Variable(constant: $0) }).value, seed) },
            at: [query, context], gradients: variables.compactMap(\.gradient))
        let plain = Tape(recording: false).crossAttention(
            variables[0], variables[1], offsets: Offsets(counts: counts),
            contextOffsets: Offsets(counts: contextCounts), heads: 2)
        #expect(y.value.array != plain.value.array)
    }

    /// A jet has the same mask alone and among others; long sets have one, too.
    @Test func partsOfABatch() {
        let x = randomTensor([179, 48], seed: 1)
        let together = attention(x, dropout())
        var first = 0
        for (jet, count) in zip(jets, counts) {
            let rows = first..<first + count
            let alone = attention(x.rows(rows).copy(), dropout(jets: [jet], counts: [count]), counts: [count])
            #expect(alone.array == together.rows(rows).array)
            first += count
        }
        let long = randomTensor([300, 48], seed: 2)
        let dropped = attention(long, dropout(jets: [1], counts: [300]), counts: [300])
        #expect(dropped.array != attention(long, nil, counts: [300]).array)
    }

    @Test func everyArgumentMatters() {
        let x = randomTensor([179, 48], seed: 1)
        let plain = attention(x, dropout()).array
        #expect(attention(x, dropout()).array == plain)
        #expect(attention(x, dropout(place: 4)).array != plain)
        #expect(attention(x, dropout(epoch: 3)).array != plain)
        #expect(attention(x, dropout(rate: 0)).array == attention(x, nil).array)
    }
}

import Tensors
import Testing

@Suite struct CrossAttentionTests {
    private func reference(
        _ query: [Double], _ context: [Double], counts: [Int], contextCounts: [Int], heads: Int, size: Int
    ) -> [Double] {
        let width = heads * size
        var y = [Double](repeating: 0, count: query.count)
        var (first, firstContext) = (0, 0)
        for (count, contextCount) in zip(counts, contextCounts) {
            for head in 0..<heads where contextCount > 0 {
                for i in first..<first + count {
                    let scores = (firstContext..<firstContext + contextCount).map { j in
                        (0..<size).reduce(0) {
                            $0 + query[i * width + head * size + $1]
                                * context[j * 2 * width + head * size + $1]
                        } / Double(size).squareRoot()
                    }
                    for (j, p) in Reference.softmax(scores).enumerated() {
                        let value = (firstContext + j) * 2 * width + width + head * size
                        for c in 0..<size { y[i * width + head * size + c] += p * context[value + c] }
                    }
                }
            }
            first += count
            firstContext += contextCount
        }
        return y
    }

    /// More and fewer tokens than context; jets without tokens, without context, without both; head sizes around the
    /// vector width.
    @Test(arguments: [(1, 1), (2, 8), (1, 33), (4, 15), (2, 16)]) func attention(heads: Int, size: Int) {
        let (counts, contextCounts) = ([4, 0, 1, 17, 0, 3, 2], [2, 3, 19, 5, 0, 0, 33])
        let width = heads * size
        OperationCheck(
            inputs: [randomTensor([27, width], seed: 1), randomTensor([62, 2 * width], seed: 2)],
            operation: {
                $0.crossAttention(
                    $1[0], $1[1], offsets: Offsets(counts: counts),
                    contextOffsets: Offsets(counts: contextCounts),
                    heads: heads)
            },
            reference: {
                reference(
                    $0[0], $0[1], counts: counts, contextCounts: contextCounts, heads: heads, size: size)
            },
            elements: 48
        ).run()
    }

    /// Rows between those of the jets, in any order, do not count: the bits are the same as without them.
    @Test func theContextMayHaveGaps() {
        let (counts, contextCounts) = ([1, 1, 3, 2, 0], [4, 17, 1, 0, 5])
        let offsets = (Offsets(counts: counts), Offsets(counts: contextCounts))
        let (query, packed) = (randomTensor([7, 16], seed: 1), randomTensor([27, 32], seed: 2))
        let places = [30..<34, 2..<19, 29..<30, 0..<0, 40..<45]
        let gaps = Tensor(repeating: .nan, shape: [50, 32])
        for (jet, place) in places.enumerated() {
            (gaps.pointer + place.lowerBound * 32).update(
                from: packed.pointer + offsets.1[jet].lowerBound * 32, count: place.count * 32)
        }
        let tape = Tape(recording: false)
        let expected = tape.crossAttention(
            Variable(constant: query), Variable(constant: packed), offsets: offsets.0, contextOffsets: offsets.1,
            heads: 2
        ).value
        let found = tape.crossAttention(query, gaps, offsets: offsets.0, context: places, heads: 2)
        #expect(found.array == expected.array)
    }

    /// With the tokens as context, the result is that of self-attention.
    @Test func toItself() {
        let counts = [5, 16, 1, 9]
        let x = randomTensor([31, 48], seed: 1)
        let tape = Tape(recording: false)
        let offsets = Offsets(counts: counts)
        let whole = tape.selfAttention(Variable(constant: x), offsets: offsets, heads: 4).value
        let (query, context) = (
            tape.pickColumns(Variable(constant: x), index: Array(0..<16)),
            tape.pickColumns(Variable(constant: x), index: Array(16..<48))
        )
        let crossed = tape.crossAttention(
            query, context, offsets: offsets, contextOffsets: offsets, heads: 4
        ).value
        #expect(crossed.array == whole.array)
    }

    @Test(arguments: [[], [0], [0, 0, 0]]) func nothing(counts: [Int]) {
        let query = Variable(leaf: Tensor(shape: [0, 8]))
        let context = Variable(leaf: Tensor(shape: [0, 16]))
        let tape = Tape()
        let offsets = Offsets(counts: counts)
        let y = tape.crossAttention(query, context, offsets: offsets, contextOffsets: offsets, heads: 2)
        tape.backward(from: y, seed: Tensor(shape: [0, 8]))
        #expect(y.shape == [0, 8])
        #expect(context.gradient?.shape == [0, 16])
    }
}

import Tensors
import Testing

@Suite struct TiledAttentionTests {
    /// Tiles of 96 queries and 128 keys: sets that end in a tile, at its end, and behind it.
    private let counts = [1, 200, 0, 96, 129, 17]

    private func operation(
        heads: Int, isCausal: Bool, tiledPairs: Int?
    ) -> (Tape, [Variable]) -> Variable {
        {
            $0.selfAttention(
                $1[0], packing: Packing(Offsets(counts: counts), isCausal: isCausal, tiledPairs: tiledPairs),
                heads: heads)
        }
    }

    /// Head sizes around the vector width; values, gradients and directional differences in double precision.
    @Test(arguments: [(2, 8, false), (1, 33, false), (1, 16, true), (3, 5, true)])
    func attention(heads: Int, size: Int, isCausal: Bool) {
        OperationCheck(
            inputs: [randomTensor([443, 3 * heads * size], seed: 1)],
            operation: operation(heads: heads, isCausal: isCausal, tiledPairs: 1),
            reference: {
                Reference.selfAttention($0[0], counts: counts, heads: heads, size: size, isCausal: isCausal)
            },
            elements: 12
        ).run()
    }

    /// In both precisions the result is that of the form without tiles, to rounding, also if scores are large.
    @Test(arguments: [Precision.single, .bfloat16], [false, true])
    func equalsTheShortForm(precision: Precision, isCausal: Bool) throws {
        if precision == .bfloat16, !Precision.hasBFloat16 { return }
        let x = randomTensor([443, 32], seed: 2)
        let weight = randomTensor([96, 32], seed: 4, deviation: 0.5)
        let results = [1, Int.max].map { tiledPairs in
            let (input, map) = (Variable(leaf: x), Variable(leaf: weight))
            let tape = Tape(precision: precision)
            let projected = tape.linear(input, weight: map, bias: nil, output: tape.activationType)
            let y = operation(heads: 2, isCausal: isCausal, tiledPairs: tiledPairs)(tape, [projected])
            let output = tape.linear(y, weight: Variable(constant: randomTensor([32, 32], seed: 5)), bias: nil)
            tape.backward(from: output, seed: randomTensor([443, 32], seed: 3))
            return [output.value.doubles, input.gradient!.doubles, map.gradient!.doubles]
        }
        let tolerance = precision == .single ? 5e-6 : 2e-2
        for (tiled, whole) in zip(results[0], results[1]) { expectClose(tiled, whole, tolerance, "the result") }
    }

    /// More and fewer queries than keys.
    @Test func crossAttention() {
        let (counts, contextCounts) = ([300, 3, 0, 100], [130, 257, 4, 0])
        let query = randomTensor([403, 16], seed: 1)
        let context = randomTensor([391, 32], seed: 2)
        let results = [1, Int.max].map { tiledPairs in
            let inputs = [Variable(leaf: query), Variable(leaf: context)]
            let tape = Tape()
            let y = tape.crossAttention(
                inputs[0], inputs[1], offsets: Offsets(counts: counts), contextOffsets: Offsets(counts: contextCounts),
                heads: 2, tiledPairs: tiledPairs)
            tape.backward(from: y, seed: randomTensor([403, 16], seed: 3))
            return [y.value.doubles] + inputs.map { $0.gradient!.doubles }
        }
        for (tiled, whole) in zip(results[0], results[1]) { expectClose(tiled, whole, 2e-6, "the result") }
    }

    /// Long sets keep one number for each query and head, where all probabilities would take 2000² per head. Other
    /// tests use the arena at the same time, so this one has its own process.
    @Test func memoryIsLinear() async {
        await #expect(processExitsWith: .success) {
            let before = Arena.shared.statistics.usedBytes
            let x = Variable(leaf: randomTensor([2000, 3 * 32], seed: 1))
            let tape = Tape()
            let y = tape.selfAttention(x, offsets: Offsets(counts: [2000]), heads: 4)
            let used = Arena.shared.statistics.usedBytes - before
            #expect(used < 4 * 2000 * 2000)
            tape.backward(from: y, seed: randomTensor([2000, 32], seed: 2))
            #expect(x.gradient != nil)
        }
    }
}

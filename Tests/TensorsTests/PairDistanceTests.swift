import Tensors
import Testing

@Suite struct PairDistanceTests {
    @Test(arguments: awkwardWidths) func pairDistances(channels: Int) {
        let counts = [3, 0, 1, 5, 2]
        let offsets = Offsets(counts: counts)
        #expect(offsets.pairs == Offsets(counts: [3, 0, 0, 10, 1]))
        OperationCheck(
            inputs: [randomTensor([11, channels], seed: 1, deviation: 3)],
            operation: { $0.pairDistances($1[0], offsets: offsets) },
            reference: { inputs in
                let rows = Reference.rows(of: inputs[0], channels)
                return (0..<offsets.jets).flatMap { jet in
                    offsets[jet].flatMap { i in
                        (i + 1..<offsets[jet].upperBound).flatMap { j in
                            zip(rows[i], rows[j]).map { abs($0 - $1) }
                        }
                    }
                }
            }
        ).run()
    }

    /// The gradient of equal tokens is zero; NaN propagates.
    @Test func pairsOfEqualTokens() throws {
        let x = Variable(leaf: Tensor([1, 2, 1, .nan], shape: [2, 2]))
        let tape = Tape()
        let y = tape.pairDistances(x, offsets: Offsets(counts: [2]))
        #expect(y.value.array[0] == 0 && y.value.array[1].isNaN)
        tape.backward(from: y, seed: Tensor([3, 3], shape: [1, 2]))
        let gradient = try #require(x.gradient).array
        #expect(gradient[0] == 0 && gradient[2] == 0 && gradient[1].isNaN && gradient[3].isNaN)
    }
}

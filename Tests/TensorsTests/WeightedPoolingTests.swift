import Tensors
import Testing

@Suite struct WeightedPoolingTests {
    private let counts = [4, 0, 1, 17, 0]

    private func reference(_ x: [Double], _ scores: [Double], channels: Int) -> [Double] {
        var (first, y) = (0, [Double]())
        for count in counts {
            let weights = Reference.softmax(Array(scores[first..<first + count]))
            for c in 0..<channels {
                y.append((0..<count).reduce(0) { $0 + weights[$1] * x[(first + $1) * channels + c] })
            }
            first += count
        }
        return y
    }

    @Test(arguments: awkwardWidths) func weightedPooling(channels: Int) {
        OperationCheck(
            inputs: [randomTensor([22, channels], seed: 1), randomTensor([22, 1], seed: 2, deviation: 2)],
            operation: { $0.weightedPooling($1[0], scores: $1[1], offsets: Offsets(counts: self.counts)) },
            reference: { self.reference($0[0], $0[1], channels: channels) }
        ).run()
    }

    /// If only the scores require a gradient, the tokens receive none.
    @Test func frozenTokens() throws {
        let x = randomTensor([22, 8], seed: 1)
        let seed = randomTensor([5, 8], seed: 3)
        let gradients = [Variable(leaf: x), Variable(constant: x)].map { x in
            let scores = Variable(leaf: randomTensor([22, 1], seed: 2))
            let tape = Tape()
            let y = tape.weightedPooling(x, scores: scores, offsets: Offsets(counts: counts))
            tape.backward(from: y, seed: seed.copy())
            return scores.gradient?.array
        }
        #expect(gradients[0] != nil && gradients[0] == gradients[1])
    }

    /// Scores whose exponentials would overflow.
    @Test func largeScores() {
        let x = randomTensor([2, 3], seed: 1)
        let scores = Variable(constant: Tensor([500, 300], shape: [2, 1]))
        let y = Tape(recording: false).weightedPooling(
            Variable(constant: x), scores: scores, offsets: Offsets(counts: [2]))
        #expect(y.value.array == Array(x.array[..<3]))
    }
}

import Tensors
import Testing

@Suite struct RandomTests {
    /// The known-answer vectors of Random123 (kat_vectors, philox4x32 with 10 rounds).
    @Test(
        arguments: [
            ([0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (
                [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
            ),
        ] as [([UInt32], [UInt32], [UInt32])])
    func knownAnswers(counter: [UInt32], key: [UInt32], expected: [UInt32]) {
        #expect(Philox4x32.block(counter: SIMD4(counter), key: SIMD2(key)) == SIMD4(expected))
    }

    @Test func keyFieldsDoNotOverlap() {
        let keys = [
            RandomKey(seed: 1, stream: .masking), RandomKey(seed: 1 << 32, stream: .masking),
            RandomKey(seed: 1, stream: .order), RandomKey(seed: 1, stream: .masking, epoch: 1),
            RandomKey(seed: 1, stream: .masking, jet: 1), RandomKey(seed: 1, stream: .masking, jet: 1 << 32),
            RandomKey(seed: 1, stream: .masking, epoch: 1 << 23),
            RandomKey(seed: 1, stream: .masking, jet: 1 << 39),
            RandomKey(seed: 1, stream: .masking, constituent: 1),
            RandomKey(seed: 1, stream: .masking, constituent: (1 << 16) - 1),
        ]
        let first = keys.map { key in
            var sequence = RandomSequence(key)
            return sequence.next()
        }
        #expect(Set(first).count == keys.count)
    }

    @Test func sequencesRepeatAndSkip() {
        let key = RandomKey(seed: 42, stream: .dropout, epoch: 3, jet: 99_999_999, constituent: 17)
        var sequence = RandomSequence(key)
        let words = (0..<12).map { _ in sequence.nextWord() }
        var again = RandomSequence(key, block: 2)
        #expect((0..<4).map { _ in again.nextWord() } == Array(words[8...]))
        #expect((0..<4).map { key.block(1)[$0] } == Array(words[4..<8]))
    }

    @Test func uniformNumbersFillTheInterval() {
        var sequence = RandomSequence(RandomKey(seed: 7, stream: .sampling))
        var bins = [Int](repeating: 0, count: 10)
        var sum = 0.0
        for _ in 0..<20_000 {
            let value = sequence.uniform()
            #expect(value >= 0 && value < 1)
            bins[Int(value * 10)] += 1
            sum += sequence.uniform64()
        }
        #expect(abs(sum / 20_000 - 0.5) < 0.01)
        // χ² with 9 degrees of freedom exceeds 40 with a probability of 1e-5.
        #expect(bins.reduce(0.0) { $0 + pow2(Double($1) - 2000) / 2000 } < 40)
    }

    @Test func normalNumbersHaveTheMomentsOfANormal() {
        var sequence = RandomSequence(RandomKey(seed: 8, stream: .neutralNoise))
        var moments = [Double](repeating: 0, count: 5)
        let count = 40_000
        for _ in 0..<count {
            let value = Double(sequence.normal())
            var power = 1.0
            for k in 0..<5 {
                moments[k] += power / Double(count)
                power *= value
            }
        }
        #expect(abs(moments[1]) < 0.025)
        #expect(abs(moments[2] - 1) < 0.04)
        #expect(abs(moments[3]) < 0.1)
        #expect(abs(moments[4] - 3) < 0.25)
    }

    @Test func extremeWordsGiveFiniteNormals() {
        for first in [UInt32.min, .max] {
            for second in [UInt32.min, .max] {
                let pair = RandomSequence.boxMuller(first, second)
                #expect(pair.first.isFinite && pair.second.isFinite && abs(pair.first) < 6.7)
            }
        }
    }

    @Test func integersBelowABoundAreUniform() {
        var sequence = RandomSequence(RandomKey(seed: 9, stream: .clustering))
        var bins = [Int](repeating: 0, count: 7)
        for _ in 0..<14_000 { bins[sequence.below(7)] += 1 }
        #expect(bins.reduce(0.0) { $0 + pow2(Double($1) - 2000) / 2000 } < 35)
        #expect(sequence.below(1) == 0)
        #expect((0..<50).allSatisfy { _ in (0..<Int.max).contains(sequence.below(.max)) })
    }

    @Test func shufflesThroughTheStandardLibrary() {
        var sequence = RandomSequence(RandomKey(seed: 10, stream: .order))
        let shuffled = (0..<100).shuffled(using: &sequence)
        #expect(shuffled.sorted() == Array(0..<100) && shuffled != Array(0..<100))
    }

    private func pow2(_ x: Double) -> Double { x * x }

    /// Rows come from a sequence each, or consecutively from one sequence.
    @Test func normalTensors() {
        let keys = [3, 1, 4].map { RandomKey(seed: 9, stream: .flow, jet: 7, constituent: $0) }
        let rows = Tensor.normal(columns: 5, from: keys.map { RandomSequence($0) })
        #expect(rows.shape == [3, 5])
        for (row, key) in keys.enumerated() {
            var random = RandomSequence(key)
            #expect(rows.rows(row..<row + 1).array == (0..<5).map { _ in random.normal() })
        }
        var (first, second) = (RandomSequence(keys[0]), RandomSequence(keys[0]))
        #expect(Tensor.normal([2, 3], from: &first).array == (0..<6).map { _ in second.normal() })
        #expect(first.next() == second.next(), "the sequence continues")
    }
}

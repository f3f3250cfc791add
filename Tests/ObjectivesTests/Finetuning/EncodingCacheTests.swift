import Jets
import Objectives
import Tensors
import Testing

@Suite struct EncodingCacheTests {
    private let batch = syntheticBatch([3, 0, 2, 4], firstJet: 10)

    /// In these tests, the encoding of a jet is one row of two values for each constituent, after a first row.
    private func encode(_ jet: JetBatch, calls: inout [Int]) -> Tensor {
        calls.append(jet.jets[0])
        let rows = (0..<jet.tokenCount).flatMap { [Float($0), jet.values.buffer[7 * $0]] }
        return Tensor([Float(jet.jets[0]), -1] + rows, shape: [jet.tokenCount + 1, 2])
    }

    @Test func aJetIsEncodedOnce() {
        let cache = EncodingCache(width: 2, limit: 1 << 20)
        var calls: [Int] = []
        let first = cache(batch, phase: .training(step: 0)) { encode($0, calls: &calls) }
        #expect(calls == [10, 11, 12, 13])
        #expect(first.offsets == Offsets(counts: [4, 1, 3, 5]))
        #expect(first.output.rows(4..<6).array == [11, -1, 12, -1])
        // In a batch of other jets.
        let again = cache(batch.slice(jets: 2..<4), phase: .training(step: 7)) { encode($0, calls: &calls) }
        #expect(calls.count == 4)
        #expect(again.offsets == Offsets(counts: [3, 5]))
        #expect(again.output.array == first.output.rows(5..<13).array)
        #expect(cache.bytes == first.output.count * 4)
    }

    /// Jets of the training and validation files have the same numbers.
    @Test func phasesDoNotShareJets() {
        let cache = EncodingCache(width: 2, limit: 1 << 20)
        var calls: [Int] = []
        for phase in [Phase.training(step: 0), .validation, .training(step: 1), .validation] {
            _ = cache(batch, phase: phase) { encode($0, calls: &calls) }
        }
        #expect(calls == [10, 11, 12, 13, 10, 11, 12, 13])
    }

    /// Encodings that do not fit are computed again, with the same values.
    @Test(arguments: [0, 40, 79]) func theLimitHolds(limit: Int) {
        let cache = EncodingCache(width: 2, limit: limit)
        var calls: [Int] = []
        let first = cache(batch, phase: .validation) { encode($0, calls: &calls) }
        let second = cache(batch, phase: .validation) { encode($0, calls: &calls) }
        #expect(first.output.array == second.output.array)
        // 4, 1, 3 and 5 rows of 8 bytes.
        #expect(cache.bytes == [0: 0, 40: 40, 79: 64][limit])
        #expect(calls.count == 4 + [0: 4, 40: 2, 79: 1][limit]!)
    }
}

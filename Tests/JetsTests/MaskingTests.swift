import Jets
import Tensors
import Testing

@Suite struct MaskingTests {
    @Test(arguments: [0, 0.3, 0.4, 0.7, 1])
    func dropsTheFloorOfTheFraction(fraction: Double) {
        let masking = RandomMasking(fraction: fraction)
        for count in 0..<130 {
            let dropped = masking.dropped(jet: 5, count: count, epoch: 1, seed: 2)
            #expect(dropped.count == count)
            #expect(dropped.count { $0 } == Int((fraction * Double(count)).rounded(.down)))
        }
    }

    @Test func dependsOnNothingButItsKey() throws {
        let masking = RandomMasking(fraction: 0.4)
        let first = masking.dropped(jet: 5, count: 60, epoch: 1, seed: 2)
        #expect(first == masking.dropped(jet: 5, count: 60, epoch: 1, seed: 2))
        #expect(first != masking.dropped(jet: 6, count: 60, epoch: 1, seed: 2))
        #expect(first != masking.dropped(jet: 5, count: 60, epoch: 2, seed: 2))
        #expect(first != masking.dropped(jet: 5, count: 60, epoch: 1, seed: 3))
        #expect(first != masking.dropped(jet: 5, count: 60, epoch: 1, seed: 2, stream: .validationMasking))

        let batch = JetBatch(
            jets: [9, 5, 1 << 33], epoch: 1, offsets: Offsets(counts: [3, 60, 0]),
            values: Tensor(shape: [63, 7]), identities: [Int32](repeating: 0, count: 63), labels: [0, 1, 2])
        let all = masking.dropped(in: batch, seed: 2)
        #expect(Array(all[3..<63]) == first)
        #expect(masking.dropped(in: batch.slice(jets: 1..<2), seed: 2) == first)
    }

    /// Every pair of five constituents is dropped equally often.
    @Test func allChoicesAreEquallyLikely() {
        let masking = RandomMasking(fraction: 0.4)
        var counts: [[Bool]: Int] = [:]
        for jet in 0..<5000 {
            counts[masking.dropped(jet: jet, count: 5, epoch: 0, seed: 1), default: 0] += 1
        }
        #expect(counts.count == 10)
        // χ² with 9 degrees of freedom exceeds 40 with a probability of 1e-5.
        #expect(counts.values.reduce(0.0) { $0 + (Double($1) - 500) * (Double($1) - 500) / 500 } < 40)
    }
}

import Distributed
import Jets
import RunSupport
import Runs
import System
import Tensors
import Testing
import Training

/// Every test is collective.
@Suite(.serialized) struct MemoryCheckMPITests {
    private func batch(_ counts: [Int]) -> JetBatch {
        let offsets = Offsets(counts: counts)
        return JetBatch(
            jets: Array(counts.indices), epoch: 0, offsets: offsets, values: Tensor(shape: [offsets.tokens, 7]),
            identities: [Int32](repeating: 0, count: offsets.tokens), labels: counts.map { _ in 0 })
    }

    /// The largest micro-batch counts, not the batch; the sentence has the estimate and what to do. A rank may use its
    /// share of the host, however small the groups are that share the weights.
    @Test func setsBeyondTheMemoryAreRefused() throws {
        let options = try runOptions("{data: {train: x, max_constituents: 16384}, tasks: {regression: {}}}")
        let jets = batch([20, 16_000, 30, 10])
        // All ranks of a test are on this host.
        let ranks = try RankGroups(largest: 1, on: world)
        #expect(ranks.ranksOfHost == world.size && ranks.group.size == 1)
        #expect(try RankGroups(on: world).ranksOfHost == world.size)
        func complaint(size: Int, gigabytes: Int, reserved: Int = 0) -> String? {
            var memory = MemoryCheck(options, precision: .single, ranks)
            do {
                let microBatches = stride(from: 0, to: 4, by: size).map { $0..<$0 + size }
                try memory.check(
                    jets, microBatches, size: size, available: world.size * gigabytes * 1_000_000_000,
                    reserved: reserved)
                return nil
            } catch { return "\(error)" }
        }
        // 8000 visible constituents and 8 registers; 14 · 512 floats and 8 heads in each of 8 layers.
        let bytes = 8 * 8008 * 4 * (14 * 512 + 8)
        #expect(
            complaint(size: 1, gigabytes: 1)
                == "a micro-batch of 1 jet with 16000 constituents needs about \(megabytes(bytes)) for its "
                + "activations, and 1000.0 MB of memory are left for a rank; lower data.max_constituents, or use "
                + "fewer ranks")
        #expect(complaint(size: 2, gigabytes: 1)?.contains("lower training.micro_batch_size (2)") == true)
        #expect(complaint(size: 2, gigabytes: 40) == nil)
        // Memory that the rank holds already is its own.
        #expect(complaint(size: 1, gigabytes: 0, reserved: bytes) == nil)
        #expect(complaint(size: 1, gigabytes: 0, reserved: bytes - 1)?.contains("lower data.max_constituents") == true)
    }

    /// Memory of sets that are not computed in tiles grows with the square of their size, that of others linearly.
    @Test func attentionIsLinear() {
        func kept(_ tokens: Int) -> Int { Packing.keptBytes(tokens: tokens, heads: 8, hasDropout: false) }
        #expect(kept(200) == 4 * 8 * 200 * 208)
        #expect(kept(4000) == 10 * kept(400))
    }

    @Test func theSystemReportsMemory() throws {
        #expect(try #require(availableMemory()) > 1 << 20)
    }
}

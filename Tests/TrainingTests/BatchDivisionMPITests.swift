import Distributed
import Jets
import MPI
import RunSupport
import Runs
import System
import Tensors
import Testing
import Training

/// Every test is collective.
@Suite(.serialized) struct BatchDivisionMPITests {
    /// The jets of a global batch that this rank reads; the first of the batch have most constituents.
    private func share(of count: Int) -> JetBatch {
        let jets = Array(world.share(of: count))
        let offsets = Offsets(counts: jets.map { 1 + 120 * (count - $0) / count })
        return JetBatch(
            jets: jets, epoch: 0, offsets: offsets, values: Tensor(repeating: 0.5, shape: [offsets.tokens, 7]),
            identities: [Int32](repeating: 1, count: offsets.tokens), labels: jets.map { _ in 0 })
    }

    private func division(_ overrides: [String]) throws -> BatchDivision {
        let options = try tinyRun("unused", overrides)
        let sharding = try Sharding(virtualShards: options.parallel.shards, on: world)
        return BatchDivision(
            options.makeObjective(classes: nil), options, precision: .single, sharding, try RankGroups(on: world))
    }

    private func divide(_ count: Int, _ overrides: String...) throws -> [[JetBatch]] {
        var division = try division(overrides)
        return try division.divide(count) { share(of: count) }
    }

    /// All ranks have the same work, although one has read the larger half, and every jet is on one of them.
    @Test func ranksHaveTheSameWork() throws {
        let shards = try divide(60)
        #expect(shards.count == 1)
        let own = shards[0].reduce(0) { $0 + $1.tokenCount }
        let read = share(of: 60).tokenCount
        let (most, all) = (try world.allReduce(own, .maximum), try world.allReduce(own))
        #expect(all == (try world.allReduce(read)))
        #expect(Double(most * world.size) < 1.03 * Double(all))
        if world.size > 1 { #expect(Double(try world.allReduce(read, .maximum) * world.size) > 1.3 * Double(all)) }
        let jets = try world.allGather(shards[0].flatMap(\.jets)).flatMap { $0 }
        #expect(jets.sorted() == Array(0..<60))
    }

    /// A rank has as many micro-batches as its share of the batch has, however many jets it gets, and they have about
    /// the same number of constituents.
    @Test func microBatchesHaveTheSameSize() throws {
        let shard = try divide(60, "training.micro_batch_size=7")[0]
        #expect(shard.count == (60 / world.size + 6) / 7)
        let mean = shard.reduce(0) { $0 + $1.tokenCount } / shard.count
        #expect(shard.allSatisfy { abs($0.tokenCount - mean) < 121 && $0.count > 0 })
    }

    @Test func aBatchMayHaveFewerJetsThanRanks() throws {
        let jets = try divide(1)[0].flatMap(\.jets)
        #expect(try world.allGather(jets).flatMap { $0 } == [0])
    }

    /// The sums of deterministic runs must not depend on the number of ranks: shards keep their jets.
    @Test func shardsOfDeterministicRunsKeepTheirJets() throws {
        guard world.size < 3 else { return }
        let shards = try divide(60, "parallel.deterministic=true", "parallel.virtual_shards=4")
        #expect(shards.count == 4 / world.size)
        #expect(shards.map { $0.flatMap(\.jets) }.flatMap { $0 } == Array(world.share(of: 60)))
        #expect(shards.allSatisfy { $0.count == 2 })
    }

    /// A rank that cannot read its jets throws; the others do not wait for it, and keep their jets.
    @Test func aRankWithoutItsJetsHoldsNobodyUp() throws {
        var division = try division([])
        let fails = world.rank == world.size - 1
        func load() throws -> JetBatch {
            if fails { throw KaonError("no jets") }
            return share(of: 60)
        }
        if fails {
            #expect(throws: KaonError.self) { _ = try division.divide(60, load) }
        } else {
            #expect(try division.divide(60, load)[0].flatMap(\.jets) == Array(world.share(of: 60)))
        }
    }

    /// Cuts are at the jet that is closest to an even share; a large jet leaves fewer parts.
    @Test func partsHaveTheSameNumberOfConstituents() {
        let offsets = Offsets(counts: [10, 10, 10, 10, 70, 10, 0, 0])
        let batch = JetBatch(
            jets: Array(0..<8), epoch: 0, offsets: offsets, values: Tensor(shape: [offsets.tokens, 7]),
            identities: [Int32](repeating: 0, count: offsets.tokens), labels: [Int32](repeating: 0, count: 8))
        #expect(batch.parts(of: 0..<4, count: 2) == [0..<2, 2..<4])
        #expect(batch.parts(of: 0..<8, count: 3) == [0..<4, 4..<5, 5..<8])
        #expect(batch.parts(of: 3..<6, count: 4) == [3..<4, 4..<5, 5..<6])
        #expect(batch.parts(of: 6..<8, count: 2) == [6..<8])
        #expect(batch.parts(of: 2..<2, count: 2).isEmpty)
        #expect(batch.parts(of: 0..<8, count: 1) == [0..<8])
    }
}

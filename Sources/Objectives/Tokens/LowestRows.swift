import MPI
import Tensors

extension Communicator {
    /// The rows with the `count` lowest keys of all ranks, `[rows, width]`, by rising key; fewer if there are not as
    /// many. The same on every rank; collective.
    ///
    /// - Parameters:
    ///   - keys: the keys of this rank's rows.
    ///   - width: values of a row.
    ///   - distinct: true if equal rows count once, with the lowest of their keys.
    ///   - row: the row at a place of `keys`.
    func lowestRows<Key: MPIScalar & Comparable>(
        keys: [Key], width: Int, count: Int, distinct: Bool, row: (Int) -> [Float]
    ) throws -> Tensor {
        let own = lowestPlaces(keys, count, distinct, row)
        let foundKeys = try gather(own.map { keys[$0] })
        let foundRows = try gather(own.flatMap(row))
        var lowest: [Float] = []
        if let foundKeys, let foundRows {
            let values = Array(foundRows.joined())
            func row(_ place: Int) -> [Float] { Array(values[place * width..<(place + 1) * width]) }
            lowest = lowestPlaces(Array(foundKeys.joined()), count, distinct, row).flatMap(row)
        }
        lowest = try broadcast(lowest)
        return Tensor(lowest, shape: [lowest.count / width, width])
    }
}

/// The places of the `count` lowest keys, of distinct rows if demanded, by rising key.
private func lowestPlaces<Key: Comparable>(
    _ keys: [Key], _ count: Int, _ distinct: Bool, _ row: (Int) -> [Float]
) -> [Int] {
    let order = keys.indices.sorted { keys[$0] < keys[$1] }
    guard distinct else { return Array(order.prefix(count)) }
    var seen: Set<[Float]> = []
    var places: [Int] = []
    for place in order {
        if places.count == count { break }
        if seen.insert(row(place)).inserted { places.append(place) }
    }
    return places
}

/// Values of jets in ascending order, and the resamplings of them.
struct SortedValues: Sendable {
    let values: [Float]
    /// The jet of each value.
    private let jets: [Int32]

    /// - Parameter jets: the jet of each value; nil for its position.
    init(_ values: [Float], jets: [Int32]? = nil) {
        let order = values.indices.sorted { values[$0] < values[$1] }
        self.values = order.map { values[$0] }
        self.jets = order.map { jets?[$0] ?? Int32($0) }
    }

    /// The values in ascending order if each jet occurs a number of times.
    func resampled(_ counts: [UInt8]) -> [Float] {
        var result: [Float] = []
        result.reserveCapacity(values.count + values.count / 8)
        for (value, jet) in zip(values, jets) {
            for _ in 0..<counts[Int(jet)] { result.append(value) }
        }
        return result
    }
}

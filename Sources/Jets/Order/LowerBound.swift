extension [Int] {
    /// The first index of a rising array whose value is at least `value`; `count` if there is none.
    func lowerBound(of value: Int) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

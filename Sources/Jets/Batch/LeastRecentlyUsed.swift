import System

/// A cache of the most recently used values, by number, within a budget.
package struct LeastRecentlyUsed<Value> {
    private var entries: [Int: (value: Value, cost: Int, lastUse: Int)] = [:]
    private var clock = 0
    private var total = 0
    private let minimum: Int
    private let budget: Int
    private let cost: (Value) -> Int

    /// Keeps at least the last `minimum` values, and more as long as the sum of their costs is within `budget`.
    package init(minimum: Int, budget: Int = 0, cost: @escaping (Value) -> Int = { _ in 1 }) {
        invariant(minimum > 0, "a cache of \(minimum) values")
        self.minimum = minimum
        self.budget = budget
        self.cost = cost
    }

    /// The number of values held.
    package var count: Int { entries.count }

    /// Removes the value with the given number, if there is one.
    package mutating func remove(_ number: Int) {
        if let entry = entries.removeValue(forKey: number) { total -= entry.cost }
    }

    /// The value with the given number; `make` is called if it is not in the cache.
    package mutating func value(_ number: Int, make: () throws -> Value) rethrows -> Value {
        clock += 1
        if let entry = entries[number] {
            entries[number]!.lastUse = clock
            return entry.value
        }
        // Evict before making the new value, so that memory stays within the bounds.
        while entries.count >= minimum, total >= budget,
            let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            total -= oldest.value.cost
            entries[oldest.key] = nil
        }
        let value = try make()
        entries[number] = (value, cost(value), clock)
        total += cost(value)
        return value
    }
}

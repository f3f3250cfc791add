import Configuration
import System

/// The values that were used last, by number, as many as a budget allows.
package struct LeastRecentlyUsed<Value> {
    private var entries: [Int: (value: Value, cost: Int, lastUse: Int)] = [:]
    private var clock = 0
    private var total = 0
    private let minimum: Int
    private let budget: Int
    private let cost: (Value) -> Int

    /// Keeps the last `minimum` values in any case, and more while the sum of their costs is within `budget`.
    package init(minimum: Int, budget: Int = 0, cost: @escaping (Value) -> Int = { _ in 1 }) {
        invariant(minimum > 0, "a cache of \(minimum) values")
        self.minimum = minimum
        self.budget = budget
        self.cost = cost
    }

    /// The number of values held.
    package var count: Int { entries.count }

    /// The value of that number; `make` gives it when it is not there.
    package mutating func value(_ number: Int, make: () throws -> Value) rethrows -> Value {
        clock += 1
        if let entry = entries[number] {
            entries[number]!.lastUse = clock
            return entry.value
        }
        // First out, then in, so that memory stays within the bounds.
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

/// The decoded blocks that were used last, up to a bound.
package struct BlockCache {
    /// The number of blocks that are kept.
    package let capacity: Int
    private var entries: [Int: (block: JetBlock, lastUse: Int)] = [:]
    private var clock = 0

    package init(capacity: Int) {
        precondition(capacity > 0, "a cache of \(capacity) blocks")
        self.capacity = capacity
    }

    /// The number of blocks held.
    package var count: Int { entries.count }

    /// The block of that number; `read` gives it when it is not there.
    package mutating func block(_ number: Int, read: () throws -> JetBlock) rethrows -> JetBlock {
        clock += 1
        if let entry = entries[number] {
            entries[number]!.lastUse = clock
            return entry.block
        }
        if entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            // First out, then in, so that memory stays within the bound.
            entries[oldest.key] = nil
        }
        let block = try read()
        entries[number] = (block, clock)
        return block
    }
}

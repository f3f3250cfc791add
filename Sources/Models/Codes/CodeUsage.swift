import Foundation

/// Usage counts of the codes of a codebook.
package struct CodeUsage: Sendable, Equatable {
    /// Number of uses of each code.
    package private(set) var counts: [Int]

    package init(codes: Int) {
        counts = [Int](repeating: 0, count: codes)
    }

    package init(counts: [Int]) {
        self.counts = counts
    }

    /// Counts the codes of some tokens.
    package mutating func add(_ codes: [Int32]) {
        for code in codes { counts[Int(code)] += 1 }
    }

    /// Number of codes in use.
    package var used: Int { counts.count { $0 > 0 } }

    /// Perplexity, the effective number of codes: exp(−Σ p ln p) with the fractions p of the codes; 0 without counts.
    package var perplexity: Double {
        let total = Double(counts.reduce(0, +))
        guard total > 0 else { return 0 }
        let entropy = counts.reduce(0.0) { entropy, count in
            let p = Double(count) / total
            return count == 0 ? entropy : entropy - p * log(p)
        }
        return exp(entropy)
    }
}

/// Number of steps since each code was last used.
package struct CodeAges: Sendable, Equatable {
    /// Steps since the last use of each code.
    package private(set) var ages: [Int]

    package init(codes: Int) {
        ages = [Int](repeating: 0, count: codes)
    }

    package init(ages: [Int]) {
        self.ages = ages
    }

    /// Adds the usage of a step.
    package mutating func update(_ usage: CodeUsage) {
        for (code, count) in usage.counts.enumerated() { ages[code] = count > 0 ? 0 : ages[code] + 1 }
    }

    /// Returns up to `limit` codes that have not been used for `steps` steps, and resets their ages.
    package mutating func takeExpired(after steps: Int, atMost limit: Int) -> [Int] {
        let expired = ages.indices.filter { ages[$0] >= steps }.prefix(limit).map { $0 }
        for code in expired { ages[code] = 0 }
        return expired
    }
}

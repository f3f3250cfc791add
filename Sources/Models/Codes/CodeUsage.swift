import Foundation

/// How the codes of a code book are used, from how often each was chosen.
package struct CodeUsage: Sendable, Equatable {
    /// How often each code was chosen.
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

    /// The codes that were chosen at all.
    package var used: Int { counts.count { $0 > 0 } }

    /// The effective number of codes, exp(−Σ p ln p) with p the shares of the codes; 0 where nothing was
    /// counted.
    package var perplexity: Double {
        let total = Double(counts.reduce(0, +))
        guard total > 0 else { return 0 }
        let entropy = counts.reduce(0.0) { entropy, count in
            let share = Double(count) / total
            return count == 0 ? entropy : entropy - share * log(share)
        }
        return exp(entropy)
    }
}

/// For how many steps in a row each code has not been chosen.
package struct CodeAges: Sendable, Equatable {
    /// Steps since each code was last chosen.
    package private(set) var ages: [Int]

    package init(codes: Int) {
        ages = [Int](repeating: 0, count: codes)
    }

    package init(ages: [Int]) {
        self.ages = ages
    }

    /// Takes note of a step in which the codes were chosen so often.
    package mutating func update(_ usage: CodeUsage) {
        for (code, count) in usage.counts.enumerated() { ages[code] = count > 0 ? 0 : ages[code] + 1 }
    }

    /// The codes that have not been chosen for `steps` steps, at most so many; they count as chosen from now on.
    package mutating func takeExpired(after steps: Int, atMost limit: Int) -> [Int] {
        let expired = ages.indices.filter { ages[$0] >= steps }.prefix(limit).map { $0 }
        for code in expired { ages[code] = 0 }
        return expired
    }
}

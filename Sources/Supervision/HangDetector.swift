import System

/// The last known status of a rank.
package struct RankStatus: Sendable {
    package var progress: RankProgress
    /// Time since `progress` last changed, as last reported by the rank [s].
    package var age: Double
    /// Time since the last message from the rank [s].
    package var silence: Double

    package init(_ progress: RankProgress, age: Double = 0, silence: Double = 0) {
        (self.progress, self.age, self.silence) = (progress, age, silence)
    }
}

/// Decides from the status of the ranks whether one of them hangs.
package struct HangDetector: Sendable {
    package var ranks: [RankStatus]
    /// The host of every rank.
    package let hosts: [String]
    package let options: WatchdogOptions

    package init(_ ranks: [RankStatus], hosts: [String], _ options: WatchdogOptions) {
        (self.ranks, self.hosts, self.options) = (ranks, hosts, options)
    }

    /// The reason why the job has to end, with the name of the rank that hangs; nil if none does.
    ///
    /// A rank that waits for the others in a sum does not hang. Only if all `candidates` wait is their time limited, to
    /// `patience` times the limit.
    ///
    /// - Parameter candidates: the ranks whose status is known.
    package func verdict(over candidates: Range<Int>, patience: Double = 1) -> String? {
        if let verdict = silence(of: candidates, limit: options.silence) { return verdict }
        let overdue = candidates.filter {
            ranks[$0].progress.activity != .summing && ranks[$0].age > limit(of: $0)
        }
        // If there are several, all but one wait for it: among ranks at the same step, for the lowest, which reads and
        // writes for all.
        if let rank = leastAdvanced(overdue) {
            return "\(name(rank)): no progress for \(seconds(limit(of: rank))) s "
                + ranks[rank].progress.description
        }
        let longest = patience * options.summing
        let allWait = ranks[candidates].allSatisfy { $0.progress.activity == .summing && $0.age > longest }
        guard allWait, let rank = leastAdvanced(Array(candidates)) else { return nil }
        let others = candidates.count > 1 ? "; all other ranks wait too" : ""
        return "\(name(rank)): no progress for \(seconds(longest)) s \(ranks[rank].progress.description)\(others)"
    }

    /// The reason why the job has to end if some `candidates` have been silent for more than `limit` seconds; else nil.
    package func silence(of candidates: Range<Int>, limit: Double) -> String? {
        let silent = candidates.filter { ranks[$0].silence > limit }
        guard let rank = silent.first else { return nil }
        let others = silent.count > 1 ? " (and \(plural(silent.count - 1, "other rank")))" : ""
        return "\(name(rank))\(others): no sign of life for \(seconds(ranks[rank].silence)) s, last seen "
            + ranks[rank].progress.description
    }

    private func limit(of rank: Int) -> Double { options.limit(of: ranks[rank].progress.activity) }

    /// The rank at the earliest step. If a rank hangs, the others soon wait for it at a later point.
    private func leastAdvanced(_ candidates: [Int]) -> Int? {
        candidates.min { (ranks[$0].progress.step, $0) < (ranks[$1].progress.step, $1) }
    }

    private func name(_ rank: Int) -> String { "rank \(rank) on \(hosts[rank])" }

    private func seconds(_ value: Double) -> String {
        value < 10 ? "\((value * 10).rounded() / 10)" : "\(Int(value.rounded()))"
    }
}

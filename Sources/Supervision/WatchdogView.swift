import System

/// What a watchdog knows of one rank.
package struct RankView: Sendable {
    package var mark: ProgressMark
    /// How long the rank has stood there, as it told last [s].
    package var age: Double
    /// How long nothing has been heard of it [s].
    package var silence: Double

    package init(_ mark: ProgressMark, age: Double = 0, silence: Double = 0) {
        (self.mark, self.age, self.silence) = (mark, age, silence)
    }
}

/// What a watchdog knows of all ranks, and whether that is bad.
package struct WatchdogView: Sendable {
    package var ranks: [RankView]
    /// The host of every rank.
    package let hosts: [String]
    package let options: WatchdogOptions

    package init(_ ranks: [RankView], hosts: [String], _ options: WatchdogOptions) {
        (self.ranks, self.hosts, self.options) = (ranks, hosts, options)
    }

    /// Why the job has to end, as far as some ranks tell, in a sentence that names the culprit; nil while all is
    /// well.
    ///
    /// A rank that waits for the others is not to blame for them: its time counts only when every rank waits,
    /// and then `patience` times the limit is granted.
    package func verdict(over known: Range<Int>, patience: Double = 1) -> String? {
        if let verdict = silence(of: known, limit: options.silence) { return verdict }
        let overdue = known.filter {
            ranks[$0].mark.activity != .summing && ranks[$0].age > limit(of: $0)
        }
        // Several mean that one hangs and the others wait for it: the first of them is who reads and writes for all.
        if let rank = behind(overdue) {
            return "\(name(rank)): no progress for \(seconds(limit(of: rank))) s "
                + ranks[rank].mark.place
        }
        let longest = patience * options.summing
        let allWait = ranks[known].allSatisfy { $0.mark.activity == .summing && $0.age > longest }
        guard allWait, let rank = behind(Array(known)) else { return nil }
        let others = known.count > 1 ? "; all other ranks wait too" : ""
        return "\(name(rank)): no progress for \(seconds(longest)) s \(ranks[rank].mark.place)\(others)"
    }

    /// The same for some ranks of which nothing has been heard for `limit` seconds.
    package func silence(of candidates: Range<Int>, limit: Double) -> String? {
        let silent = candidates.filter { ranks[$0].silence > limit }
        guard let rank = silent.first else { return nil }
        let others = silent.count > 1 ? " (and \(plural(silent.count - 1, "other rank")))" : ""
        return "\(name(rank))\(others): no sign of life for \(seconds(ranks[rank].silence)) s, last seen "
            + ranks[rank].mark.place
    }

    private func limit(of rank: Int) -> Double { options.limit(of: ranks[rank].mark.activity) }

    /// The rank that has come least far: where one hangs, the others soon wait for it a little further on.
    private func behind(_ candidates: [Int]) -> Int? {
        candidates.min { (ranks[$0].mark.step, $0) < (ranks[$1].mark.step, $1) }
    }

    private func name(_ rank: Int) -> String { "rank \(rank) on \(hosts[rank])" }

    private func seconds(_ value: Double) -> String {
        value < 10 ? "\((value * 10).rounded() / 10)" : "\(Int(value.rounded()))"
    }
}

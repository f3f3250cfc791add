import Foundation

/// Jets per second and the time that is left; validation and checkpoints do not count as training.
package struct Throughput {
    private let now: () -> Double
    private let begin: Double
    private let firstStep: Int
    private var since: Double
    private var excluded = 0.0
    private var jetsAtMark: Int
    private var latest: Double?

    /// Starts to measure after `step` steps and `jets` jets; `now` is a clock in seconds.
    package init(step: Int, jets: Int, now: @escaping () -> Double = Self.systemClock()) {
        self.now = now
        begin = now()
        since = begin
        firstStep = step
        jetsAtMark = jets
    }

    /// The seconds since now.
    package static func systemClock() -> () -> Double {
        let start = ContinuousClock.now
        return { start.duration(to: .now) / .seconds(1) }
    }

    /// Does work that is not training.
    package mutating func excluding<R>(_ work: () throws -> R) rethrows -> R {
        let start = now()
        defer { excluded += now() - start }
        return try work()
    }

    /// The rate since this was last asked for, or since the start.
    package mutating func jetsPerSecond(upTo jets: Int) -> Double {
        let time = now()
        let rate = Double(jets - jetsAtMark) / max(time - since - excluded, 1e-9)
        (since, excluded, jetsAtMark, latest) = (time, 0, jets, rate)
        return rate
    }

    /// `step 60/400  loss 6.5665  820 jets/s  1 min 5 s left`.
    package func line(step: Int, of steps: Int, loss: Double) -> String {
        // All that a step takes, validations and checkpoints included, is expected to go on.
        let left = (now() - begin) / Double(max(1, step - firstStep)) * Double(steps - step)
        let speed = latest.map { "  \(rounded($0, decimals: $0 < 10 ? 1 : 0)) jets/s" } ?? ""
        return "step \(step)/\(steps)  loss \(rounded(loss, decimals: 4))\(speed)  "
            + (step < steps ? "\(Self.clock(left)) left" : "done in \(Self.clock(now() - begin))")
    }

    /// `2 h 5 min`.
    static func clock(_ seconds: Double) -> String {
        guard seconds < 1e9 else { return "ages" }
        let whole = Int(seconds.rounded())
        let (days, hours, minutes) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60)
        if days > 0 { return "\(days) d \(hours) h" }
        if hours > 0 { return "\(hours) h \(minutes) min" }
        if minutes > 0 { return "\(minutes) min \(whole % 60) s" }
        return "\(whole) s"
    }
}

/// A number as a person reads it.
func rounded(_ value: Double, decimals: Int) -> String {
    String(format: "%.\(decimals)f", value)
}

/// Jets per second and the time that is left; validation and checkpoints do not count.
struct Throughput {
    private var since = ContinuousClock.now
    private var excluded = Duration.zero
    private var jetsAtMark: Int
    private let firstStep: Int
    private let begin = ContinuousClock.now
    private var latest = 0.0

    init(step: Int, jets: Int) {
        firstStep = step
        jetsAtMark = jets
    }

    mutating func excluding<R>(_ work: () throws -> R) rethrows -> R {
        let start = ContinuousClock.now
        defer { excluded += start.duration(to: .now) }
        return try work()
    }

    mutating func jetsPerSecond(upTo state: TrainingState) -> Double {
        let seconds = (since.duration(to: .now) - excluded) / .seconds(1)
        latest = Double(state.jets - jetsAtMark) / max(seconds, 1e-9)
        since = .now
        excluded = .zero
        jetsAtMark = state.jets
        return latest
    }

    func line(_ state: TrainingState, of steps: Int, loss: Double) -> String {
        let elapsed = begin.duration(to: .now) / .seconds(1)
        let left = elapsed / Double(max(1, state.step - firstStep)) * Double(steps - state.step)
        let speed = latest > 0 ? String(format: "  %.0f jets/s", latest) : ""
        return "step \(state.step)/\(steps)  loss \(String(format: "%.4f", loss))\(speed)  \(Self.clock(left)) left"
    }

    private static func clock(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        let (days, hours, minutes) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60)
        if days > 0 { return "\(days) d \(hours) h" }
        if hours > 0 { return "\(hours) h \(minutes) min" }
        if minutes > 0 { return "\(minutes) min \(whole % 60) s" }
        return "\(whole) s"
    }
}

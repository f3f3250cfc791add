import Foundation
import System

/// Jets per second, without the time of validations and checkpoints, and the remaining time of a run.
package struct Throughput {
    private let now: () -> Double
    private let begin: Double
    private let firstStep: Int
    private var since: Double
    private var excluded = 0.0
    private var jetsAtMark: Int
    private var latest: Double?

    /// Starts the measurement after `step` steps and `jets` jets.
    ///
    /// - Parameter now: a clock [s].
    package init(step: Int, jets: Int, now: @escaping () -> Double = Self.systemClock()) {
        self.now = now
        begin = now()
        since = begin
        firstStep = step
        jetsAtMark = jets
    }

    /// A clock that counts the seconds from this call.
    package static func systemClock() -> () -> Double {
        let start = ContinuousClock.now
        return { start.duration(to: .now) / .seconds(1) }
    }

    /// Runs work whose time does not count as training.
    package mutating func excluding<R>(_ work: () throws -> R) rethrows -> R {
        let start = now()
        defer { excluded += now() - start }
        return try work()
    }

    /// The rate since the last call, or since the start.
    package mutating func jetsPerSecond(upTo jets: Int) -> Double {
        let time = now()
        let rate = Double(jets - jetsAtMark) / max(time - since - excluded, 1e-9)
        (since, excluded, jetsAtMark, latest) = (time, 0, jets, rate)
        return rate
    }

    /// The progress line: `step 60/400  loss 6.5665  820 jets/s  1 min 5 s left`.
    package func line(step: Int, of steps: Int, loss: Double?) -> String {
        parts(step: step, of: steps, loss: loss).joined(separator: "  ")
    }

    /// The parts of that line, and further ones after the first, as a line with a bar. Narrow terminals leave out the
    /// speed, then the last of the others.
    package func progress(step: Int, of steps: Int, loss: Double?, with others: [String]) -> ProgressLine {
        var parts = parts(step: step, of: steps, loss: loss)
        let speed = latest == nil ? [] : [parts.count - 2 + others.count]
        parts.insert(contentsOf: others, at: 1)
        return ProgressLine(
            parts, optional: speed + (1..<1 + others.count).reversed(),
            fraction: Double(step) / Double(max(1, steps)))
    }

    private func parts(step: Int, of steps: Int, loss: Double?) -> [String] {
        // The remaining steps are expected to take as long, including validations and checkpoints.
        let left = (now() - begin) / Double(max(1, step - firstStep)) * Double(steps - step)
        return ["step \(step)/\(steps)", "loss \(loss.map { rounded($0, decimals: 4) } ?? "none")"]
            + (latest.map { ["\(rounded($0, decimals: $0 < 10 ? 1 : 0)) jets/s"] } ?? [])
            + [step < steps ? "\(clock(left)) left" : "done in \(clock(now() - begin))"]
    }
}

import Foundation

/// The time until which a run has to end, including its last checkpoint: `run.time_limit`, or else the end of the Slurm
/// job.
package struct TimeBudget {
    /// The origin of the limit, as printed after "stopped by".
    package let reason: String
    private let end: Date

    /// kaon ends this much before Slurm kills the job [s].
    private static let slurmMargin = 30.0

    /// The end of the Slurm job in the environment; nil if there is none.
    private static func slurmEnd(_ environment: [String: String]) -> Date? {
        guard let text = environment["SLURM_JOB_END_TIME"], let seconds = Double(text), seconds > 0 else { return nil }
        return Date(timeIntervalSince1970: seconds)
    }

    /// The warning about an end of the Slurm job that is before the start of the process, as in the environment of an
    /// earlier job; nil if there is none.
    package static func warning(begin: Date = Launch.begin, environment: [String: String]) -> String? {
        guard let end = slurmEnd(environment), end <= begin else { return nil }
        return
            "SLURM_JOB_END_TIME is in the past (\(end.formatted(.iso8601))): it is that of another job, and ignored; "
            + "run.time_limit sets a limit"
    }

    /// Nil if there is no limit, or the end of the Slurm job is in the past.
    ///
    /// - Parameters:
    ///   - limit: seconds after `begin`; nil for no limit before the end of the Slurm job.
    ///   - begin: the start of this process.
    package init?(
        _ limit: Double?, begin: Date = Launch.begin,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        let slurmEnd = Self.slurmEnd(environment).flatMap { $0 > begin ? $0 - Self.slurmMargin : nil }
        let ends = [(limit.map { begin + $0 }, "run.time_limit"), (slurmEnd, "the end of the Slurm job")]
        guard let first = ends.compactMap({ end, reason in end.map { ($0, reason) } }).min(by: { $0.0 < $1.0 })
        else { return nil }
        (end, reason) = first
    }

    /// True if work of `seconds` would end too late.
    package func isSpent(reserving seconds: Double, now: Date = Date()) -> Bool { now + seconds >= end }
}

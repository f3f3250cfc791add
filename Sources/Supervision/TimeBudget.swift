import Foundation

/// The time until which a run has to end, including its last checkpoint: `run.time_limit`, or else the end of the Slurm
/// job.
package struct TimeBudget {
    /// The origin of the limit, as printed after "stopped by".
    package let reason: String
    private let end: Date

    /// kaon ends this much before Slurm kills the job [s].
    private static let slurmMargin = 30.0

    /// Nil if there is no limit.
    ///
    /// - Parameters:
    ///   - limit: seconds after `begin`; nil for the end of the Slurm job.
    ///   - begin: the start of this process.
    package init?(
        _ limit: Double?, begin: Date = Launch.begin,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        if let limit {
            reason = "run.time_limit"
            end = begin + limit
        } else if let text = environment["SLURM_JOB_END_TIME"], let seconds = Double(text), seconds > 0 {
            reason = "the end of the Slurm job"
            end = Date(timeIntervalSince1970: seconds - Self.slurmMargin)
        } else {
            return nil
        }
    }

    /// True if work of `seconds` would end too late.
    package func isSpent(reserving seconds: Double, now: Date = Date()) -> Bool { now + seconds >= end }
}

import Foundation

/// The time by which a run has to have ended, its last checkpoint included: `run.time_limit`, or else the end
/// of the Slurm job that it runs in.
package struct TimeBudget {
    /// What sets the time, as it stands after "stopped by".
    package let reason: String
    private let end: Date

    /// Slurm kills what still runs at the end; kaon leaves this much earlier [s].
    private static let slurmMargin = 30.0

    /// - Parameters:
    ///   - limit: the seconds after `begin`; nil for what the environment says.
    ///   - begin: when this process started.
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

    /// Whether what takes `seconds` would no longer end in time.
    package func isSpent(reserving seconds: Double, now: Date = Date()) -> Bool { now + seconds >= end }
}

import Configuration
import Foundation
import Objectives

extension RunOptions {
    /// `run`: folder, start and end of a run.
    package struct Run: Sendable {
        /// `run.resume`: the checkpoint to continue from.
        package enum Resume: Sendable, Equatable {
            /// The latest checkpoint of the run folder, if there is one.
            case auto
            /// None: the run folder must not contain checkpoints.
            case never
            /// The given checkpoint.
            case checkpoint(String)
        }

        /// `run.log_ranks`: the ranks that write a log file.
        package enum LogRanks: String, CaseIterable, Sendable {
            case first, all
        }

        /// `run.evaluate`: the checkpoint to evaluate on the test files after the last step.
        package enum Evaluated: String, CaseIterable, Sendable {
            /// The checkpoint with the lowest validation loss, or the latest if there was no validation.
            case best
            case latest, never
        }

        /// Name of the run; by default that of the configuration file.
        package var name: String
        package var directory: String
        package var resume: Resume
        package var logRanks: LogRanks
        /// Rank that waits for a debugger before it starts; nil for none.
        package var waitForDebugger: Int?
        /// Wall time from the start of the process to its end [s]; nil for that of the batch system alone.
        package var timeLimit: Double?
        package var evaluated = Evaluated.never
    }
}

extension RunOptions.Run {
    /// Decodes the section `run`. Throws `ConfigurationError`.
    ///
    /// - Parameters:
    ///   - root: the root of the configuration, because the folder may be named after other keys.
    ///   - date: the start of the run.
    package init(from root: Section, name: String, date: Date) throws {
        let section = try root.section("run")
        let givenName = try section.string(
            "name", default: name, .advanced, help: "name of the run; by default that of the configuration file")
        guard !givenName.isEmpty else { throw section.error("name", "is empty; give the run a name") }
        self.name = givenName
        directory = try section.template(
            "directory", default: "runs/{name}",
            words: [
                "name": { givenName },
                "objective": { try ObjectiveOptions.Name(from: root).rawValue },
                "seed": { "\(try root.seed())" },
                "date": { date.formatted(Date.ISO8601FormatStyle(timeZone: .current).year().month().day()) },
                "slurm_job_id": {
                    guard let job = ProcessInfo.processInfo.environment["SLURM_JOB_ID"] else {
                        throw section.error("directory", "{slurm_job_id} has no value outside a Slurm job")
                    }
                    return job
                },
            ],
            help: "folder of the run; `{name}`, `{objective}`, `{seed}`, `{date}` and `{slurm_job_id}` are replaced "
                + "by their values ([names](watching.md))")
        guard !directory.isEmpty else { throw section.error("directory", "is empty; give the run a folder") }
        let resume = try section.path(
            "resume", default: "auto",
            help: "`auto`: continue from the latest checkpoint in the folder; `never`: start in a folder without "
                + "checkpoints; or the checkpoint to continue from ([repeated starts](faults.md#checkpoints))")
        switch resume {
        case "auto": self.resume = .auto
        case "never": self.resume = .never
        default: self.resume = .checkpoint(resume)
        }
        logRanks = try section.choice(
            "log_ranks", of: LogRanks.self, default: .first, .advanced,
            help: "ranks that write a log file: the first, or all")
        waitForDebugger = try section.optionalInt(
            "wait_for_debugger", in: .nonNegative, absent: "none", .advanced,
            help: "rank that waits for a debugger before it starts")
        timeLimit = try section.optionalDuration(
            "time_limit",
            help: "wall time of the job: the run stops before it is over, with a checkpoint and exit code 75")
    }
}

import Configuration

/// `parallel.watchdog`: the times without progress after which a rank counts as hung [s].
package struct WatchdogOptions: Sendable, Equatable {
    package var enabled: Bool
    /// Limit without a message from the rank.
    package var silence: Double
    /// Limit of one part of the start-up: finding the files, fitting, reading a checkpoint.
    package var startUp: Double
    /// Limit of the wait for the jets of a step.
    package var reading: Double
    /// Limit of the forward and backward pass of one micro-batch.
    package var computing: Double
    /// Limit of the sums over the ranks while all ranks are in them.
    package var summing: Double
    /// Limit of the validation of one batch.
    package var validation: Double
    /// Limit of the writing of metrics and checkpoints.
    package var saving: Double

    package init(from section: Section) throws {
        func seconds(_ key: String, _ standard: Double, _ help: String) throws -> Double {
            try section.double(key, default: standard, in: 0.1...1e9, help: help)
        }
        enabled = try section.bool("enabled", default: true, help: "end the job when a rank hangs")
        silence = try seconds("silence", 60, "seconds without a sign of life from a process")
        startUp = try seconds("start_up", 3600, "seconds for one part of the start")
        reading = try seconds("reading", 900, "seconds of waiting for the jets of a step")
        computing = try seconds("computing", 900, "seconds for a micro-batch")
        summing = try seconds("summing", 900, "seconds for a sum over the ranks")
        validation = try seconds("validation", 900, "seconds for one batch of a validation")
        saving = try seconds("saving", 1800, "seconds for writing a checkpoint")
    }

    /// The limit of an activity [s].
    package func limit(of activity: Activity) -> Double {
        switch activity {
        case .startUp: startUp
        case .reading: reading
        case .computing: computing
        case .summing: summing
        case .validation: validation
        case .saving: saving
        }
    }

    /// The time between two checks, and between two messages to the other ranks [s].
    package var interval: Double {
        min(5, [silence, startUp, reading, computing, summing, validation, saving].min()! / 5)
    }
}

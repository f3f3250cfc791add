import Configuration

/// `parallel.watchdog`: after how many seconds without progress a rank counts as hung.
package struct WatchdogOptions: Sendable, Equatable {
    package var enabled: Bool
    /// Without any sign of life from the process.
    package var silence: Double
    /// In one part of the start: finding the files, fitting, reading a checkpoint.
    package var startUp: Double
    /// Until the jets of a step are there.
    package var reading: Double
    /// In the forward and backward pass of one micro-batch.
    package var computing: Double
    /// In the sums over the ranks, while no rank is busy with anything else.
    package var summing: Double
    /// In the validation of one batch.
    package var validation: Double
    /// In the writing of metrics and checkpoints.
    package var saving: Double

    package init(from section: Section) throws {
        func seconds(_ key: String, _ usual: Double) throws -> Double {
            try section.double(key, default: usual, in: 0.1...1e9)
        }
        enabled = try section.bool("enabled", default: true)
        silence = try seconds("silence", 60)
        startUp = try seconds("start_up", 3600)
        reading = try seconds("reading", 900)
        computing = try seconds("computing", 900)
        summing = try seconds("summing", 900)
        validation = try seconds("validation", 900)
        saving = try seconds("saving", 1800)
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

    /// How often the watchdog looks, and tells the others [s].
    package var interval: Double {
        min(5, [silence, startUp, reading, computing, summing, validation, saving].min()! / 5)
    }
}

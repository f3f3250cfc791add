import Configuration
import Tensors

extension RunOptions {
    /// `parallel`: ranks and threads.
    public struct Parallel: Sendable {
        /// Threads of each rank; nil for the cores that the rank may use.
        public var threads: Int?
        /// What matrix products multiply in training and validation.
        public var precision: PrecisionWish
        /// What the gradients are sent as to the other ranks.
        public var reducePrecision: Precision
        /// Whether gradients leave while the backward pass still runs.
        public var overlap: Bool
        /// Whether sums are added in one order for any number of ranks that divides `virtualShards`.
        public var deterministic: Bool
        /// Parts of a global batch that a deterministic run adds; a power of two.
        public var virtualShards: Int
        public var watchdog: WatchdogOptions
    }

    /// Threads of each rank; nil for the cores that the rank may use.
    public var threads: Int? { parallel.threads }
}

extension RunOptions.Parallel {
    init(from section: Section) throws {
        threads = try section.optionalInt("threads", in: 1...1024, absent: "auto")
        precision = try section.choice("precision", default: .single)
        reducePrecision = try section.choice("reduce_precision", default: .single)
        overlap = try section.bool("overlap", default: true)
        deterministic = try section.bool("deterministic", default: false)
        virtualShards = try section.int("virtual_shards", default: 4, in: 1...65536)
        guard virtualShards.nonzeroBitCount == 1 else {
            throw section.error("virtual_shards", "expected a power of two, found \(virtualShards)")
        }
        guard !deterministic || reducePrecision == .single else {
            throw section.error(
                "reduce_precision", "a deterministic run adds its gradients in single precision: leave it at fp32")
        }
        watchdog = try WatchdogOptions(from: section.section("watchdog"))
    }
}

/// `parallel.watchdog`: after how many seconds without progress a rank counts as hung.
public struct WatchdogOptions: Sendable, Equatable {
    public var enabled: Bool
    /// Without any sign of life from the process.
    public var silence: Double
    /// In one part of the start: finding the files, fitting, reading a checkpoint.
    public var startUp: Double
    /// Until the jets of a step are there.
    public var reading: Double
    /// In the forward and backward pass of one micro-batch.
    public var computing: Double
    /// In the sums over the ranks, while no rank is busy with anything else.
    public var summing: Double
    /// In the validation of one batch.
    public var validation: Double
    /// In the writing of metrics and checkpoints.
    public var saving: Double

    init(from section: Section) throws {
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
    func limit(of activity: Activity) -> Double {
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
    var interval: Double {
        min(5, [silence, startUp, reading, computing, summing, validation, saving].min()! / 5)
    }
}

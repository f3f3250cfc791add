import Configuration

extension RunOptions {
    /// `training`: the training loop.
    package struct Training: Sendable {
        package var steps: Int
        /// Jets per step over all ranks.
        package var batchSize: Int
        /// Jets per forward and backward pass of a rank; nil until it is chosen for the model and the data.
        package var givenMicroBatchSize: Int?
        /// Jets per forward and backward pass of a rank; before it is chosen, a size that suits jets.
        package var microBatchSize: Int {
            get { givenMicroBatchSize ?? 64 }
            set { givenMicroBatchSize = newValue }
        }
        package var validationInterval: Int
        /// Maximum number of jets in a validation; nil for all.
        package var validationJets: Int?
        package var checkpointInterval: Int
        package var logInterval: Int
        /// Number of batches to train on repeatedly, for debugging; nil for all.
        package var overfitBatches: Int?
        /// True to check every value and name the first that is not finite.
        package var detectAnomaly: Bool
        /// Number of most recent checkpoints to keep.
        package var keepLast: Int
        /// Checkpoints at multiples of this many steps are kept as well; nil for none.
        package var keepEvery: Int?
        /// Number of validations without a lower loss after which the run ends; nil for no early stopping.
        package var earlyStoppingPatience: Int?
        /// Maximum number of consecutive steps that are skipped because the loss or the gradient is not finite.
        package var maxSkippedSteps: Int
        package var tensorBoard: TensorBoard
        /// Moving average of the weights; nil for none.
        package var average: Average?
        /// Steps of which a trace is written, counted from 1; nil for none.
        package var profileSteps: ClosedRange<Int>?
        /// Rank whose trace is written.
        package var profileRank: Int

        /// `training.average`: moving average of the weights.
        package struct Average: Sendable, Equatable {
            package var decay: Double
            /// True if the model is applied with the averages: in validation, `kaon evaluate` and the like.
            package var isEvaluated: Bool
        }

        /// `training.tensorboard`: event files next to `metrics.csv`.
        package struct TensorBoard: Sendable {
            package var enabled: Bool
            /// Steps between histograms of gradients and weights; nil for none.
            package var histogramInterval: Int?
        }
    }
}

extension RunOptions.Training {
    package init(from section: Section) throws {
        let count = 1...Int(Int32.max)
        steps = try section.int(
            "steps", default: 1_000_000, in: 0...Int(Int32.max), help: "optimizer steps of the run")
        batchSize = try section.int("batch_size", default: 1000, in: count, help: "jets per step over all ranks")
        givenMicroBatchSize = try section.optionalInt(
            "micro_batch_size", in: count, absent: "auto",
            help:
                "mean number of jets per forward and backward pass of a rank, which bounds the memory; it changes "
                + "results only by rounding; `auto`: chosen from the model and the caches of the processor")
        validationInterval = try section.int(
            "validation_interval", default: 5000, in: count, help: "steps between validations")
        validationJets = try section.optionalInt(
            "validation_jets", in: count, absent: "all", help: "maximum number of jets in a validation")
        checkpointInterval = try section.int(
            "checkpoint_interval", default: 5000, in: count, help: "steps between checkpoints")
        logInterval = try section.int(
            "log_interval", default: 50, in: count, help: "steps between rows of `metrics.csv`")
        overfitBatches = try section.optionalInt(
            "overfit_batches", in: count, absent: "none", .advanced,
            help: "train repeatedly on this many batches, for debugging")
        detectAnomaly = try section.bool(
            "detect_anomaly", default: false, .advanced,
            help: "check every value and name the first that is not finite; slow")
        keepLast = try section.int(
            "keep_last", default: 3, in: count, help: "number of most recent checkpoints to keep")
        keepEvery = try section.optionalInt(
            "keep_every", in: count, help: "also keep the checkpoints at multiples of this many steps")
        earlyStoppingPatience = try section.optionalInt(
            "early_stopping_patience", in: count,
            help: "number of validations without a lower loss (`vqvae`: of the reconstruction) after which the run ends"
        )
        maxSkippedSteps = try section.int(
            "max_skipped_steps", default: 10, in: 0...Int(Int32.max), .advanced,
            help: "maximum number of consecutive steps with a loss or gradient that is not finite")
        if let average = try section.optionalSection(
            "average", .advanced, help: "keep a moving average of all weights ([optimization](optimization.md))")
        {
            self.average = Average(
                decay: try average.double(
                    "decay", default: 0.999, in: .belowOne,
                    help: "decay of the average after many steps; it reaches back over 1 / (1 − decay) steps"),
                isEvaluated: try average.bool(
                    "evaluate", default: true,
                    help:
                        "validate the averages, choose `checkpoints/best` by them, and apply them in `kaon evaluate`, "
                        + "`encode` and `generate`; `false`: the weights of the step"))
        }
        let board = try section.section("tensorboard", .advanced)
        tensorBoard = TensorBoard(
            enabled: try board.bool(
                "enabled", default: true,
                help: "write event files for TensorBoard ([watching a run](watching.md))"),
            histogramInterval: try board.optionalInt(
                "histogram_interval", in: count, absent: "none",
                help: "steps between histograms of gradients and weights"))
        profileRank = try section.int(
            "profile_rank", default: 0, in: .nonNegative, .advanced, help: "rank whose trace is written")
        if let profiled = try section.optionalInts(
            "profile_steps", in: count, absent: "none", .advanced,
            help: "step, or first and last step, of which a Chrome trace is written")
        {
            guard let first = profiled.first, profiled.count < 3, first <= profiled.last! else {
                throw section.error(
                    "profile_steps",
                    "expected a step, or the first and the last step as in [100, 110], found "
                        + "\(profiled)")
            }
            guard first <= steps else {
                throw section.error("profile_steps", "begins at step \(first), but training.steps is \(steps)")
            }
            profileSteps = first...profiled.last!
        }
    }
}

import Configuration
import Distributed
import Supervision
import Tensors

extension RunOptions {
    /// `parallel`: ranks and threads.
    package struct Parallel: Sendable {
        /// Threads of each rank; nil for the cores that the rank may use.
        package var threads: Int?
        /// Precision of matrix products in training and validation.
        package var precision: RequestedPrecision
        /// Number format in which gradients are sent to other groups of ranks.
        package var reducePrecision: Precision
        /// True to sum gradients while the backward pass is still running.
        package var overlap: Bool
        /// True to sum in the same order on any number of ranks that divides `virtualShards`.
        package var deterministic: Bool
        /// Shards of a global batch in a deterministic run; a power of two.
        package var virtualShards: Int
        /// The most ranks of a host that share memory; nil for all.
        package var ranksPerGroup: Int?
        package var watchdog: WatchdogOptions

        /// The sum of the gradients over shards and ranks.
        package var gradientSum: GradientSumOptions {
            GradientSumOptions(overlaps: overlap, precision: reducePrecision, isDeterministic: deterministic)
        }

        /// Number of virtual shards of a deterministic run; nil for one shard per rank.
        package var shards: Int? { deterministic ? virtualShards : nil }
    }

    /// Threads of each rank; nil for the cores that the rank may use.
    package var threads: Int? { parallel.threads }
}

extension RunOptions.Parallel {
    package init(from section: Section) throws {
        threads = try section.optionalInt(
            "threads", in: 1...1024, absent: "auto",
            help: "threads of each rank; `auto`: its share of the cores that it may use")
        precision = try section.choice(
            "precision", default: .single,
            help: "number format of the factors of matrix products; sums are in single precision. `bf16` needs "
                + "processors with AVX512-BF16 on all ranks and otherwise warns and uses `fp32`; `auto` does the same "
                + "without a warning")
        reducePrecision = try section.choice(
            "reduce_precision", default: .single,
            help: "precision in which gradients travel between groups of ranks; they are added in single precision")
        overlap = try section.bool(
            "overlap", default: true, .advanced, help: "send gradients while the backward pass is still running")
        deterministic = try section.bool(
            "deterministic", default: false, .advanced,
            help: "bit-identical results on any number of ranks that divides `virtual_shards`")
        virtualShards = try section.int(
            "virtual_shards", default: 4, in: 1...65536, .advanced,
            help: "parts of a batch that a deterministic run adds in a fixed order; a power of two")
        guard virtualShards.nonzeroBitCount == 1 else {
            throw section.error("virtual_shards", "expected a power of two, found \(virtualShards)")
        }
        guard !deterministic || reducePrecision == .single else {
            throw section.error(
                "reduce_precision", "a deterministic run adds its gradients in single precision: leave it at fp32")
        }
        ranksPerGroup = try section.optionalInt(
            "ranks_per_group", in: 1...1_000_000, absent: "auto", .advanced,
            help:
                "ranks that share one copy of the weights and add each other's gradients in memory; `auto`: those of a "
                + "host; fewer for groups of one socket; 1: no shared memory")
        watchdog = try WatchdogOptions(from: section.section("watchdog", .advanced))
    }
}

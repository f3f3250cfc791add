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
        /// Number format in which gradients are sent to other ranks.
        package var reducePrecision: Precision
        /// True to sum gradients while the backward pass is still running.
        package var overlap: Bool
        /// True to sum in the same order on any number of ranks that divides `virtualShards`.
        package var deterministic: Bool
        /// Shards of a global batch in a deterministic run; a power of two.
        package var virtualShards: Int
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

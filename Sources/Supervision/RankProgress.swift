import Synchronization

/// The part of a run that a rank is in.
package enum Activity: UInt8, CaseIterable, Sendable {
    case startUp, reading, computing, summing, validation, saving

    /// The activity in words, for messages.
    package var words: String {
        switch self {
        case .startUp: "the start-up"
        case .reading: "the reading of jets"
        case .computing: "the forward and backward passes"
        case .summing: "the sums over the ranks"
        case .validation: "the validation"
        case .saving: "the writing of metrics and checkpoints"
        }
    }
}

/// The progress of a rank, in one word of memory.
package struct RankProgress: Equatable, Sendable {
    package var activity: Activity
    /// The current step, counted from 1; 0 before the first.
    package var step: Int
    /// A counter modulo 2¹⁶, so that two consecutive values differ even in the same activity and step.
    package var sequence: Int

    package init(_ activity: Activity, step: Int, sequence: Int = 0) {
        (self.activity, self.step, self.sequence) = (activity, step, sequence & 0xffff)
    }

    package init(word: UInt64) {
        activity = Activity(rawValue: UInt8(word & 0xff)) ?? .startUp
        sequence = Int(word >> 8 & 0xffff)
        step = Int(word >> 24)
    }

    package var word: UInt64 { UInt64(step) << 24 | UInt64(sequence) << 8 | UInt64(activity.rawValue) }

    /// The progress in words: `in the sums over the ranks of step 1041`.
    package var description: String { "in \(activity.words)" + (step > 0 ? " of step \(step)" : "") }
}

/// The current progress of this rank: written by the training loop, read by the watchdog.
///
///     progress.enter(.computing, step: 12)
///
/// A write is one atomic store, without a lock or a clock.
package final class ProgressTracker: Sendable {
    private let word = Atomic<UInt64>(RankProgress(.startUp, step: 0).word)

    package init() {}

    package var current: RankProgress { RankProgress(word: word.load(ordering: .relaxed)) }

    /// Records that an activity starts or has progressed. For one thread only.
    ///
    /// - Parameter step: nil for the same step.
    package func enter(_ activity: Activity, step: Int? = nil) {
        let last = current
        word.store(
            RankProgress(activity, step: step ?? last.step, sequence: last.sequence + 1).word, ordering: .relaxed)
    }
}

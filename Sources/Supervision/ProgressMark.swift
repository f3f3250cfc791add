import Synchronization

/// What a rank is busy with.
package enum Activity: UInt8, CaseIterable, Sendable {
    case startUp, reading, computing, summing, validation, saving

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

/// How far a rank has come, in one word of memory.
package struct ProgressMark: Equatable, Sendable {
    package var activity: Activity
    /// The step that is being worked on, counted from 1; 0 before the first.
    package var step: Int
    /// Differs between one mark and the next, whatever they say.
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

    /// `in the sums over the ranks of step 1041`.
    package var place: String { "in \(activity.words)" + (step > 0 ? " of step \(step)" : "") }
}

/// Where a rank writes what it is busy with, for its watchdog: one store, no lock, no clock.
package final class ProgressBoard: Sendable {
    private let word = Atomic<UInt64>(ProgressMark(.startUp, step: 0).word)

    package init() {}

    /// What was written last.
    package var mark: ProgressMark { ProgressMark(word: word.load(ordering: .relaxed)) }

    /// Something begins, or has come a little further; only the training loop calls it.
    package func enter(_ activity: Activity, step: Int? = nil) {
        let last = mark
        word.store(
            ProgressMark(activity, step: step ?? last.step, sequence: last.sequence + 1).word,
            ordering: .relaxed)
    }
}

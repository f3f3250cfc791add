internal import CKernels
import Glibc
import MPI
import NN
import System
import Tensors

/// Sums the gradients of all ranks, message after message, while the backward pass is still running.
///
/// Each rank adds the part of a message that belongs to its place, reading the gradients of its group in shared
/// memory, as soon as all ranks of the group have announced that they are final. The ranks of the same place in all
/// groups then exchange these sums: each receives the elements that it owns and adds them in the order of the groups.
/// Afterwards the gradient buffer of a rank holds the sums for the elements that it owns; the rest of it is undefined.
///
/// Messages are summed in the same order on all ranks, in whatever order gradients become final. A rank has one shard.
package final class GroupedSum: GradientSum {
    /// Most messages that are exchanged between groups at a time, each with memory for what it receives.
    private static let inFlightLimit = 8

    private let parameters: DistributedParameters
    private let overlaps: Bool
    private let precision: Precision
    private let bucketOfParameter: [Int]
    private var frozenGroups: Set<Int> = []
    /// True from `begin` to `finish`.
    private var hasBegun = false
    /// For each bucket, the number of parameters whose gradients are not final yet.
    private var missing: [Int]
    /// Number of buckets of this step whose gradients are final on this rank.
    private var finalBuckets = 0
    /// Number of messages of this step that have been summed in the group and passed to the exchange.
    private var summedInGroup = 0
    /// Number of messages of all earlier steps.
    private var earlierMessages: Int
    private var inFlight: [GroupExchange] = []
    /// Sum of the squares of the elements that this rank owns, in the messages of this step that have been summed.
    private var squares = 0.0
    private var failure: (any Error)?
    /// Notified of the messages of a step.
    package weak var observer: (any SumObserver)?
    /// Messages of this step that were reported to the observer as started and as summed.
    private var observed = (begun: 0, summed: 0)

    private var partition: Partition { parameters.partition }
    private var ranks: RankGroups { parameters.ranks }
    private var isAlone: Bool { ranks.all.size == 1 }

    /// Number of messages of this step that have not been summed yet.
    package var outstanding: Int { partition.messages.count - summedInGroup + inFlight.count }

    /// - Parameters:
    ///   - overlaps: false to sum everything in `finish`.
    ///   - precision: number format in which gradients are sent to other groups.
    package init(_ parameters: DistributedParameters, overlaps: Bool = true, precision: Precision = .single) {
        self.parameters = parameters
        self.overlaps = overlaps
        self.precision = precision
        earlierMessages = parameters.finalMessages?.ownValue ?? 0
        let buckets = parameters.partition.buckets
        missing = buckets.map { _ in 0 }
        var bucketOfParameter = Array(repeating: 0, count: parameters.store.parameters.count)
        for (index, bucket) in buckets.enumerated() {
            for parameter in bucket.parameters { bucketOfParameter[parameter] = index }
        }
        self.bucketOfParameter = bucketOfParameter
    }

    package func begin(frozenGroups: Set<Int>) {
        self.frozenGroups = frozenGroups
        hasBegun = true
        (finalBuckets, summedInGroup, squares) = (0, 0, 0)
        observed = (0, 0)
        missing = partition.buckets.map { frozenGroups.contains($0.group) ? 0 : $0.parameters.count }
    }

    /// Announces each bucket that is final, in the order of the buckets, and sums what can be summed.
    package func gradientIsComplete(_ variable: Variable) {
        guard hasBegun, overlaps, !isAlone, let index = parameters.store.index(of: variable) else { return }
        missing[bucketOfParameter[index]] -= 1
        let before = finalBuckets
        while finalBuckets < missing.count, missing[finalBuckets] == 0 { finalBuckets += 1 }
        if finalBuckets > before { announce() }
        poll()
    }

    package func endShard(isLast: Bool) {
        invariant(isLast, "a grouped sum has one shard for each rank")
    }

    /// Sums messages that are final in the group, and advances those that are exchanged; `finish` throws an error that
    /// occurs here.
    package func poll() {
        do {
            _ = try advance()
        } catch {
            failure = failure ?? error
        }
    }

    package func finish() throws {
        parameters.store.zeroUnusedGradients()
        defer {
            hasBegun = false
            earlierMessages += partition.messages.count
            // After an error, the other messages must not trap when they are released.
            for exchange in inFlight { exchange.abandon() }
            inFlight = []
        }
        guard !isAlone else {
            summedInGroup = partition.messages.count
            return
        }
        if let failure { throw failure }
        finalBuckets = missing.count
        announce()
        while outstanding > 0 {
            guard try !advance() else { continue }
            if summedInGroup == partition.messages.count, let first = inFlight.first {
                try first.wait()
            } else {
                // Another rank of the group is still in its backward pass; it may share this core.
                sched_yield()
            }
        }
    }

    package func sumOfSquares() throws -> Double {
        isAlone ? parameters.store.gradients.sumOfSquares : try ranks.all.allReduce(squares)
    }

    /// Number of messages of this step whose gradients are final on this rank.
    private var finalMessages: Int {
        finalBuckets == 0 ? 0 : partition.buckets[finalBuckets - 1].messages.upperBound
    }

    private func announce() { parameters.finalMessages?.set(earlierMessages + finalMessages) }

    /// Returns true if a message has been summed in the group or by all groups.
    private func advance() throws -> Bool {
        var hasAdvanced = false
        while let first = inFlight.first, try first.advance() {
            squares += first.sumOfSquares
            inFlight.removeFirst()
            noteSummed()
            hasAdvanced = true
        }
        // Open MPI advances messages only inside its calls.
        for exchange in inFlight.dropFirst() { _ = try exchange.advance() }
        guard summedInGroup < finalMessages else { return hasAdvanced }
        let final = (parameters.finalMessages.map { $0.minimum - earlierMessages }) ?? finalMessages
        while summedInGroup < final, inFlight.count < Self.inFlightLimit {
            let message = partition.messages[summedInGroup]
            summedInGroup += 1
            hasAdvanced = true
            guard ranks.peers != nil, !frozenGroups.contains(partition.buckets[message.bucket].group) else { continue }
            try sum(message)
        }
        return hasAdvanced
    }

    /// Adds the gradients of the group for this rank's part of a message, and starts their exchange with other groups.
    private func sum(_ message: Partition.Message) throws {
        observer?.sumDidBegin(observed.begun, elements: message.elements.count)
        observed.begun += 1
        let part = partition.part(of: message, place: ranks.group.rank)
        let sums = ranks.group.size > 1 ? sumOfGroup(part) : 0
        guard let peers = ranks.peers, peers.size > 1 else {
            squares += sums
            return noteSummed()
        }
        inFlight.append(
            try GroupExchange(
                parameters.store.gradients, partition.owned(of: message, place: ranks.group.rank), precision,
                on: peers))
    }

    /// Adds the gradients of the group for a range of elements, and returns the sum of the squares of the results.
    private func sumOfGroup(_ part: Range<Int>) -> Double {
        let buffers = parameters.gradients.map { UnsafePointer($0.pointer + part.lowerBound) as UnsafePointer? }
        let sums = parameters.store.gradients.pointer + part.lowerBound
        return parallelSum(part.count, grain: 1 << 15) { range in
            let shifted = buffers.map { $0! + range.lowerBound as UnsafePointer? }
            return ck_sum_of_parts(sums + range.lowerBound, shifted, Int64(shifted.count), Int64(range.count))
        }
    }

    private func noteSummed() {
        observer?.sumDidEnd(observed.summed, inFlight: Self.inFlightLimit)
        observed.summed += 1
    }
}

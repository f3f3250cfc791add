import NN
import System
import Tensors

/// Sums the gradients of all ranks in buckets, while the backward pass is still running.
///
/// Buckets are runs of consecutive parameters in the flat gradient buffer, last first, because the backward pass
/// reaches the last layers first. They are sent in this order on all ranks, in whatever order they become complete, as
/// messages of bounded size of which few are in flight at a time, because MPI copies what it sums. A rank has one
/// shard.
package final class OverlappedSum: GradientSum {
    private struct Bucket {
        let parameters: Range<Int>
        let group: Int
        let messages: [GradientMessage]
        /// Number of parameters whose gradients are not final yet.
        var missing = 0
    }

    private static let inFlightLimit = 8

    private let store: ParameterStore
    private let transport: any GradientTransport
    private let ranks: Int
    private let overlaps: Bool
    private var buckets: [Bucket] = []
    private var bucketOfParameter: [Int]
    private var frozenGroups: Set<Int> = []
    /// True from `begin` to `finish`.
    private var hasBegun = false
    /// Number of buckets whose messages have been queued.
    private var queued = 0
    private var waiting: ArraySlice<GradientMessage> = []
    private var failure: (any Error)?
    /// Notified of the messages of a step.
    package weak var observer: (any SumObserver)?
    /// Messages of this step that were reported to the observer as started and as summed.
    private var observed = (begun: 0, summed: 0)

    /// Number of messages of this step that have not been summed yet.
    package var outstanding: Int {
        waiting.count + transport.inFlight + buckets[queued...].reduce(0) { $0 + $1.messages.count }
    }

    /// - Parameters:
    ///   - overlaps: false to send everything in `finish`.
    ///   - bucketElements: number of elements at which a bucket is closed, and the most of a message.
    package init(
        _ store: ParameterStore, over transport: any GradientTransport, ranks: Int, overlaps: Bool = true,
        bucketElements: Int = 1 << 20
    ) {
        self.store = store
        self.transport = transport
        self.ranks = ranks
        self.overlaps = overlaps
        bucketOfParameter = Array(repeating: 0, count: store.parameters.count)
        var end = store.parameters.count
        while end > 0 {
            var first = end - 1
            let group = store.groups.firstIndex { $0.parameters.contains(first) }!
            let lowest = store.groups[group].parameters.lowerBound
            let upper = store.parameters[first].range.upperBound
            while first > lowest, upper - store.parameters[first].range.lowerBound < bucketElements { first -= 1 }
            for parameter in first..<end { bucketOfParameter[parameter] = buckets.count }
            let lower = store.parameters[first].range.lowerBound
            let messages = stride(from: lower, to: upper, by: bucketElements).map {
                GradientMessage(store.gradients, elements: $0..<min($0 + bucketElements, upper))
            }
            buckets.append(Bucket(parameters: first..<end, group: group, messages: messages))
            end = first
        }
    }

    package func begin(frozenGroups: Set<Int>) {
        self.frozenGroups = frozenGroups
        hasBegun = true
        queued = 0
        observed = (0, 0)
        for index in buckets.indices {
            buckets[index].missing = frozenGroups.contains(buckets[index].group) ? 0 : buckets[index].parameters.count
        }
    }

    /// Queues the messages of each bucket that is complete, in the order of the buckets.
    package func gradientIsComplete(_ variable: Variable) {
        guard hasBegun, overlaps, ranks > 1, let index = store.index(of: variable) else { return }
        buckets[bucketOfParameter[index]].missing -= 1
        while queued < buckets.count, buckets[queued].missing == 0 { queueNextBucket() }
        poll()
    }

    package func endShard(isLast: Bool) {
        invariant(isLast, "an overlapped sum has one shard for each rank")
    }

    /// Advances messages in flight and starts waiting ones; `finish` throws an error that occurs here.
    package func poll() {
        do {
            try advance()
        } catch {
            failure = failure ?? error
        }
    }

    package func finish() throws {
        store.zeroUnusedGradients()
        defer {
            hasBegun = false
            // After an error, the other messages must not trap when they are released.
            transport.abandon()
            waiting = []
        }
        guard ranks > 1 else { return }
        if let failure { throw failure }
        while queued < buckets.count { queueNextBucket() }
        while !waiting.isEmpty || transport.inFlight > 0 {
            try advance()
            noteSummed(try transport.advance(waits: true))
        }
    }

    private func queueNextBucket() {
        if !frozenGroups.contains(buckets[queued].group) { waiting += buckets[queued].messages }
        queued += 1
    }

    private func advance() throws {
        noteSummed(try transport.advance(waits: false))
        while transport.inFlight < Self.inFlightLimit, let message = waiting.popFirst() {
            observer?.sumDidBegin(observed.begun, elements: message.elements.count)
            observed.begun += 1
            try transport.start(message)
        }
    }

    private func noteSummed(_ count: Int) {
        for _ in 0..<count {
            observer?.sumDidEnd(observed.summed, inFlight: Self.inFlightLimit)
            observed.summed += 1
        }
    }
}

import MPI
import NN
import Tensors

/// Sums the gradients of all ranks, in buckets that leave while the backward pass still runs.
///
/// Buckets are runs of consecutive parameters of the flat gradient buffer, last first, because the backward
/// pass reaches the last layers first. They leave in that order on every rank, whatever the order in which
/// they fill, in messages of bounded size of which few are on their way at a time: MPI copies what it sums.
package final class GradientReducer {
    private final class Message: MessageBuffer {
        let elements: UnsafeMutableBufferPointer<Float>
        private let storage: Tensor  // keeps the memory alive

        init(_ storage: Tensor, elements range: Range<Int>) {
            self.storage = storage
            elements = UnsafeMutableBufferPointer(rebasing: storage.buffer[range])
        }
    }

    private struct Bucket {
        let parameters: Range<Int>
        let group: Int
        let messages: [Message]
        var missing = 0
    }

    private let store: ParameterStore
    private let communicator: Communicator
    private var buckets: [Bucket] = []
    private var bucketOfParameter: [Int]
    private let overlaps: Bool
    private var isArmed = false
    /// The groups of parameters that are not trained at this step, whose gradients stay where they are.
    package var frozenGroups: Set<Int> = []
    /// The buckets whose messages may leave.
    private var full = 0
    private var waiting: ArraySlice<Message> = []
    private var pending: ArraySlice<PendingReduction<Message>> = []
    /// The same for messages that travel as bfloat16 numbers.
    private var narrow: ArraySlice<NarrowSum> = []
    private let narrowCommunicators: NarrowSum.Communicators?
    private var failure: (any Error)?
    /// The time spent in `finish`: what the backward pass did not hide of the sums, and of slower ranks.
    package private(set) var exposed = Duration.zero

    private static let messagesOnTheirWay = 8
    /// Where the messages of a step are noted, and how many have left and have been summed.
    package weak var observer: (any SumObserver)?
    private var noted = (begun: 0, summed: 0)

    /// The messages of this step that have not been summed yet.
    package var outstanding: Int {
        waiting.count + pending.count + narrow.count + buckets[full...].reduce(0) { $0 + $1.messages.count }
    }

    /// - Parameters:
    ///   - overlaps: false where nothing may leave before `finish`.
    ///   - bucketElements: a bucket is closed once it has this many; no message has more.
    ///   - precision: what the gradients travel as; for bfloat16 this is collective. Throws `MPIError` then.
    package init(
        _ store: ParameterStore, on communicator: Communicator, overlaps: Bool = true,
        bucketElements: Int = 1 << 20, precision: Precision = .single
    ) throws {
        narrowCommunicators = precision == .single
            ? nil
            : try NarrowSum.Communicators(exchange: communicator.duplicate(), gather: communicator.duplicate())
        self.overlaps = overlaps
        self.store = store
        self.communicator = communicator
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
                Message(store.gradients, elements: $0..<min($0 + bucketElements, upper))
            }
            buckets.append(Bucket(parameters: first..<end, group: group, messages: messages))
            end = first
        }
    }

    /// From now on a complete gradient is final: the last micro-batch of the step is on the tape.
    package func arm() {
        isArmed = true
        full = 0
        noted = (0, 0)
        for index in buckets.indices {
            buckets[index].missing = frozenGroups.contains(buckets[index].group) ? 0 : buckets[index].parameters.count
        }
    }

    /// Takes note of a complete gradient; starts the reduction of every bucket that is full and whose turn it
    /// is.
    package func gradientIsComplete(_ variable: Variable) {
        guard isArmed, overlaps, communicator.size > 1, let index = store.index(of: variable) else { return }
        buckets[bucketOfParameter[index]].missing -= 1
        while full < buckets.count, buckets[full].missing == 0 { enqueueNext() }
        poll()
    }

    /// Moves the messages on their way, and lets the next ones leave; a failure is told by `finish`.
    package func poll() {
        do {
            try progress()
        } catch {
            failure = failure ?? error
        }
    }

    /// Sends what has not left and waits for all sums; every rank has to call it, with or without jets.
    package func finish() throws {
        let begin = ContinuousClock.now
        store.zeroUnusedGradients()
        defer {
            isArmed = false
            // Where one reduction failed, the others must not trap on their way out.
            for reduction in pending { reduction.abandon() }
            for sum in narrow { sum.abandon() }
            (pending, narrow, waiting) = ([], [], [])
            exposed += begin.duration(to: .now)
        }
        guard communicator.size > 1 else { return }
        if let failure { throw failure }
        while full < buckets.count { enqueueNext() }
        while !waiting.isEmpty || !pending.isEmpty || !narrow.isEmpty {
            try progress()
            if let first = narrow.first, try first.advance(mayGather: true, waits: true) {
                narrow.removeFirst()
                noteSummed()
            }
            if let first = pending.first {
                _ = try first.wait()
                pending.removeFirst()
                noteSummed()
            }
        }
    }

    private func enqueueNext() {
        if !frozenGroups.contains(buckets[full].group) { waiting += buckets[full].messages }
        full += 1
    }

    /// Open MPI moves messages only inside its calls.
    private func progress() throws {
        for reduction in pending { _ = try reduction.test() }
        while let first = pending.first, try first.test() {
            pending.removeFirst()
            noteSummed()
        }
        for (place, sum) in zip(narrow.indices, narrow) {
            _ = try sum.advance(mayGather: place == narrow.startIndex || narrow[place - 1].isGathering)
        }
        while let first = narrow.first, try first.advance(mayGather: true) {
            narrow.removeFirst()
            noteSummed()
        }
        while pending.count + narrow.count < Self.messagesOnTheirWay, let message = waiting.popFirst() {
            observer?.sumDidBegin(noted.begun, elements: message.elements.count)
            noted.begun += 1
            if let narrowCommunicators {
                narrow.append(try NarrowSum(message.elements, on: narrowCommunicators))
            } else {
                pending.append(try communicator.startAllReduce(message))
            }
        }
    }

    /// Notes that the first message on its way has been summed.
    private func noteSummed() {
        observer?.sumDidEnd(noted.summed, inFlight: Self.messagesOnTheirWay)
        noted.summed += 1
    }
}

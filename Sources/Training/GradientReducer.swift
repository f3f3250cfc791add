import MPI
import NN
import Tensors

/// Sums the gradients of all ranks, in buckets that leave while the backward pass still runs.
///
/// Buckets are runs of consecutive parameters of the flat gradient buffer, last first, because the backward
/// pass reaches the last layers first. They leave in that order on every rank, whatever the order in which
/// they fill.
package final class GradientReducer {
    private final class Bucket: MessageBuffer {
        let elements: UnsafeMutableBufferPointer<Float>
        let parameters: Range<Int>
        var missing = 0
        private let storage: Tensor  // keeps the memory alive

        init(_ storage: Tensor, elements range: Range<Int>, parameters: Range<Int>) {
            self.storage = storage
            self.parameters = parameters
            elements = UnsafeMutableBufferPointer(rebasing: storage.buffer[range])
        }
    }

    private let store: ParameterStore
    private let communicator: Communicator
    private var buckets: [Bucket] = []
    private var bucketOfParameter: [Int]
    private var isArmed = false
    private var next = 0
    private var pending: [PendingReduction<Bucket>] = []
    private var failure: (any Error)?

    /// - Parameter bucketElements: a bucket is closed once it has this many.
    package init(_ store: ParameterStore, on communicator: Communicator, bucketElements: Int = 1 << 20) {
        self.store = store
        self.communicator = communicator
        bucketOfParameter = Array(repeating: 0, count: store.parameters.count)
        var end = store.parameters.count
        while end > 0 {
            var first = end - 1
            let upper = store.parameters[first].range.upperBound
            while first > 0, upper - store.parameters[first].range.lowerBound < bucketElements { first -= 1 }
            for parameter in first..<end { bucketOfParameter[parameter] = buckets.count }
            buckets.append(
                Bucket(
                    store.gradients, elements: store.parameters[first].range.lowerBound..<upper,
                    parameters: first..<end))
            end = first
        }
    }

    /// From now on a complete gradient is final: the last micro-batch of the step is on the tape.
    package func arm() {
        isArmed = true
        next = 0
        for bucket in buckets { bucket.missing = bucket.parameters.count }
    }

    /// Takes note of a complete gradient; starts the reduction of every bucket that is full and whose turn it
    /// is.
    package func gradientIsComplete(_ variable: Variable) {
        guard isArmed, communicator.size > 1, let index = store.index(of: variable) else { return }
        buckets[bucketOfParameter[index]].missing -= 1
        do {
            while next < buckets.count, buckets[next].missing == 0 { try startNext() }
            // Open MPI moves messages only inside its calls.
            for reduction in pending { _ = try reduction.test() }
        } catch {
            failure = failure ?? error
        }
    }

    /// Sends what has not left and waits for all sums; every rank has to call it, with or without jets.
    package func finish() throws {
        store.zeroUnusedGradients()
        defer {
            isArmed = false
            // Where one reduction failed, the others must not trap on their way out.
            for reduction in pending { reduction.abandon() }
            pending = []
        }
        guard communicator.size > 1 else { return }
        if let failure { throw failure }
        while next < buckets.count { try startNext() }
        for reduction in pending { _ = try reduction.wait() }
    }

    private func startNext() throws {
        pending.append(try communicator.startAllReduce(buckets[next]))
        next += 1
    }
}

internal import CKernels
import Foundation
import Synchronization
import System

/// The worker threads of this rank: one pool for matrix products and loops.
///
/// Work is cut into pieces by its size and the number of threads, and each thread takes the next piece until none is
/// left: a core that is slower for a while does not set the pace, and results depend on the number of threads but never
/// on their timing. A call from inside a piece, or while another thread uses the pool, runs its pieces one after the
/// other in the calling thread.
///
/// Idle workers spin for some microseconds before they sleep, because the next product follows soon.
package final class ThreadPool: @unchecked Sendable {
    /// The pool of the process; one thread until `resize` is called.
    package static let shared = ThreadPool()

    /// The number of cores in the affinity mask of this process.
    package static var usableCores: Int { Int(ck_usable_cores()) }

    /// The size of the second-level cache of a core [bytes]; 1 MiB where the system does not report it.
    package static var secondLevelCache: Int {
        let size = sysconf(Int32(_SC_LEVEL2_CACHE_SIZE))
        return size > 0 ? size : 1 << 20
    }

    /// The number of threads, including the one that calls `run`.
    package private(set) var threads = 1

    /// One number for the current work, so that it changes in one step: a thread that was delayed cannot take a piece
    /// of later work for one of this.
    private struct State {
        var bits: UInt64
        init(bits: UInt64) { self.bits = bits }

        /// The first piece of new work.
        init(after other: State, pieces: Int) {
            bits = ((other.bits >> 40) &+ 1) << 40 | UInt64(pieces) << 20
        }

        static let mostPieces = 1 << 20 - 1
        var pieces: Int { Int(bits >> 20 & 0xfffff) }
        var next: Int { Int(bits & 0xfffff) }
        var hasPiece: Bool { next < pieces }
    }

    private typealias Body = (Int) -> Void
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let started = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let finished = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let owner = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// Written before a new state, and read by threads that have taken a piece of it.
    private var body: Body?
    private let state = Atomic<UInt64>(0)
    /// Number of pieces of the current work that are done.
    private let done = Atomic<Int>(0)
    /// Number of workers that sleep, or are about to.
    private let sleepers = Atomic<Int>(0)
    /// True while the caller of `run` sleeps, or is about to.
    private let callerSleeps = Atomic<Bool>(false)
    private var workers = 0
    /// Pauses between the start of spinning and sleep; none where threads share cores.
    private var spins = 0

    private init() {
        pthread_mutex_init(mutex, nil)
        pthread_mutex_init(owner, nil)
        pthread_cond_init(started, nil)
        pthread_cond_init(finished, nil)
    }

    /// Sets the number of threads, before the first work; the size of a pool with workers cannot change.
    package func resize(threads: Int) {
        invariant(threads >= 1, "a pool of \(threads) threads")
        invariant(workers == 0 || threads == self.threads, "the pool already has \(self.threads) threads")
        self.threads = threads
        spins = threads <= Self.usableCores ? 2000 : 0
        while workers < threads - 1 {
            workers += 1
            startWorker()
        }
    }

    /// Runs `body(piece)` for every piece in `0 ..< pieces` and returns when all are done.
    func run(pieces: Int, _ body: (Int) -> Void) {
        invariant(pieces <= State.mostPieces, "\(pieces) pieces of work")
        guard threads > 1, pieces > 1, pthread_mutex_trylock(owner) == 0 else {
            for piece in 0..<pieces { body(piece) }
            return
        }
        defer { pthread_mutex_unlock(owner) }
        withoutActuallyEscaping(body) { body in
            self.body = body
            done.store(0, ordering: .relaxed)
            let last = State(bits: state.load(ordering: .relaxed))
            state.store(State(after: last, pieces: pieces).bits, ordering: .sequentiallyConsistent)
            if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
                pthread_mutex_lock(mutex)
                pthread_cond_broadcast(started)
                pthread_mutex_unlock(mutex)
            }
            while runPiece() {}
            waitForAll(pieces)
            self.body = nil
        }
    }

    /// Takes a piece and runs it; false if none is left.
    private func runPiece() -> Bool {
        var current = State(bits: state.load(ordering: .acquiring))
        while current.hasPiece {
            let (taken, original) = state.weakCompareExchange(
                expected: current.bits, desired: current.bits + 1, ordering: .acquiringAndReleasing)
            guard taken else {
                current = State(bits: original)
                continue
            }
            // Until this piece is done, `run` does not return.
            body!(current.next)
            if done.add(1, ordering: .sequentiallyConsistent).newValue == current.pieces,
                callerSleeps.load(ordering: .sequentiallyConsistent)
            {
                pthread_mutex_lock(mutex)
                pthread_cond_signal(finished)
                pthread_mutex_unlock(mutex)
            }
            return true
        }
        return false
    }

    private func waitForAll(_ pieces: Int) {
        for _ in 0..<10 * spins {
            if done.load(ordering: .acquiring) == pieces { return }
            ck_pause()
        }
        pthread_mutex_lock(mutex)
        callerSleeps.store(true, ordering: .sequentiallyConsistent)
        while done.load(ordering: .sequentiallyConsistent) < pieces { pthread_cond_wait(finished, mutex) }
        callerSleeps.store(false, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(mutex)
    }

    private func startWorker() {
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                #if canImport(Glibc)
                    let pool = Unmanaged<ThreadPool>.fromOpaque(context!).takeRetainedValue()
                #else
                    let pool = Unmanaged<ThreadPool>.fromOpaque(context).takeRetainedValue()
                #endif
                pool.work()
            }, Unmanaged.passRetained(self).toOpaque())
        invariant(status == 0, "the system could not start a thread")
    }

    private var hasPiece: Bool { State(bits: state.load(ordering: .sequentiallyConsistent)).hasPiece }

    private func work() -> Never {
        while true {
            while runPiece() {}
            var pauses = 0
            while pauses < spins, !hasPiece {
                pauses += 1
                ck_pause()
            }
            guard !hasPiece else { continue }
            pthread_mutex_lock(mutex)
            sleepers.add(1, ordering: .sequentiallyConsistent)
            while !hasPiece { pthread_cond_wait(started, mutex) }
            sleepers.subtract(1, ordering: .sequentiallyConsistent)
            pthread_mutex_unlock(mutex)
        }
    }
}

/// The fewest elements for which another thread pays off.
let elementGrain = 16384

/// Divides `0 ..< count` into contiguous ranges, one per thread but none shorter than `grain`, and runs
/// `body(part, range)` on each; parts are numbered from 0.
func parallelParts(_ count: Int, grain: Int, _ body: (Int, Range<Int>) -> Void) {
    parallelPieces(count, grain: grain, most: ThreadPool.shared.threads, body)
}

/// Divides `0 ..< count` into contiguous ranges, none shorter than `grain`, and runs `body` on each.
///
/// - Parameter piecesPerThread: 1 for work that has a cost for each piece.
package func parallel(_ count: Int, grain: Int = 1, piecesPerThread: Int = 4, _ body: (Range<Int>) -> Void) {
    let threads = ThreadPool.shared.threads
    parallelPieces(count, grain: grain, most: threads == 1 ? 1 : threads * piecesPerThread) { body($1) }
}

private func parallelPieces(_ count: Int, grain: Int, most: Int, _ body: (Int, Range<Int>) -> Void) {
    let pieces = min(most, max(1, count / max(1, grain)))
    guard pieces > 1 else {
        if count > 0 { body(0, 0..<count) }
        return
    }
    ThreadPool.shared.run(pieces: pieces) { piece in
        body(piece, count * piece / pieces..<count * (piece + 1) / pieces)
    }
}

/// Divides tasks of unequal costs into one contiguous range per thread, of about equal costs, and runs `body` on each.
func parallel(costs: [Int], _ body: (Range<Int>) -> Void) {
    let parts = min(ThreadPool.shared.threads, costs.count)
    guard parts > 1 else {
        if !costs.isEmpty { body(0..<costs.count) }
        return
    }
    // Part p ends in front of the first task whose middle lies beyond (p + 1) / parts of the costs.
    let total = costs.reduce(0, +)
    var (ends, before) = ([Int](), 0)
    for (task, cost) in costs.enumerated() {
        while ends.count < parts - 1, (2 * before + cost) * parts > 2 * (ends.count + 1) * total { ends.append(task) }
        before += cost
    }
    while ends.count < parts { ends.append(costs.count) }
    ThreadPool.shared.run(pieces: parts) { part in
        let range = (part == 0 ? 0 : ends[part - 1])..<ends[part]
        if !range.isEmpty { body(range) }
    }
}

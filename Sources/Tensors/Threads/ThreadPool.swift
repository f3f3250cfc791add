internal import CKernels
import Foundation
import Synchronization
import System

/// The worker threads of this rank: one pool for matrix products and loops.
///
/// Work is cut into pieces by its size and the number of threads. Each thread has a share of consecutive pieces, and
/// takes pieces from the end of the others' shares when its own are done: a core that is slower for a while does not
/// set the pace, and the rows that a thread wrote are mostly those that it reads next, from the caches of its core.
/// Results depend on the number of threads but never on their timing. A call from inside a piece, or while another
/// thread uses the pool, runs its pieces one after the other in the calling thread.
///
/// Idle workers spin for some microseconds before they sleep, because the next product follows soon.
package final class ThreadPool: @unchecked Sendable {
    /// The pool of the process; one thread until `resize` is called.
    package static let shared = ThreadPool()

    /// The number of cores in the affinity mask of this process.
    package static var usableCores: Int { Int(ck_usable_cores()) }

    /// The number of threads, including the one that calls `run`.
    package private(set) var threads = 1

    /// The pieces of a share that nobody has taken. One number, with the number of the work, so that it changes in one
    /// step: a thread that was delayed cannot take a piece of later work for one of this.
    private struct Share {
        var bits: UInt64
        init(bits: UInt64) { self.bits = bits }

        init(_ pieces: Range<Int>, work: UInt64) {
            bits = work << 40 | UInt64(pieces.upperBound) << 20 | UInt64(pieces.lowerBound)
        }

        static let mostPieces = 1 << 20 - 1
        var work: UInt64 { bits >> 40 }
        var next: Int { Int(bits & 0xfffff) }
        var end: Int { Int(bits >> 20 & 0xfffff) }
        var isEmpty: Bool { next == end }

        /// The share without its first or last piece.
        func without(last: Bool) -> Share { Share(last ? next..<end - 1 : next + 1..<end, work: work) }
    }

    private typealias Body = (Int) -> Void
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let started = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let finished = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let owner = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// Written before new shares, and read by threads that have taken a piece of them.
    private var body: Body?
    private var pieces = 0
    /// Number of the current work; it changes when the shares are there.
    private let work = Atomic<UInt64>(0)
    /// The share of each thread, that of the caller first; each in a cache line of its own.
    private var shares = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: 0)
    private static let line = 8
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
        if workers == 0, threads > 1 {
            shares = .allocate(capacity: threads * Self.line)
            for thread in 0..<threads { (shares + thread * Self.line).initialize(to: Atomic(0)) }
        }
        self.threads = threads
        spins = threads <= Self.usableCores ? 2000 : 0
        while workers < threads - 1 {
            workers += 1
            startWorker(workers)
        }
    }

    /// Runs `body(piece)` for every piece in `0 ..< pieces` and returns when all are done.
    func run(pieces: Int, _ body: (Int) -> Void) {
        invariant(pieces <= Share.mostPieces, "\(pieces) pieces of work")
        guard threads > 1, pieces > 1, pthread_mutex_trylock(owner) == 0 else {
            for piece in 0..<pieces { body(piece) }
            return
        }
        defer { pthread_mutex_unlock(owner) }
        withoutActuallyEscaping(body) { body in
            (self.body, self.pieces) = (body, pieces)
            let work = self.work.load(ordering: .relaxed) &+ 1
            done.store(0, ordering: .relaxed)
            for thread in 0..<threads {
                let share = Share(pieces * thread / threads..<pieces * (thread + 1) / threads, work: work)
                shares[thread * Self.line].store(share.bits, ordering: .releasing)
            }
            self.work.store(work, ordering: .sequentiallyConsistent)
            if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
                pthread_mutex_lock(mutex)
                pthread_cond_broadcast(started)
                pthread_mutex_unlock(mutex)
            }
            while runPiece(0) {}
            waitForAll(pieces)
            self.body = nil
        }
    }

    /// Takes a piece, from the thread's own share while it has any, and runs it; false if none is left.
    private func runPiece(_ thread: Int) -> Bool {
        for distance in 0..<threads {
            guard let piece = takePiece(of: (thread + distance) % threads, last: distance > 0) else { continue }
            // Until this piece is done, `run` does not return. Another thread may end the last one after this.
            let pieces = pieces
            body!(piece)
            if done.add(1, ordering: .sequentiallyConsistent).newValue == pieces,
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

    /// Takes the first or the last piece of a share; nil if it is empty.
    private func takePiece(of thread: Int, last: Bool) -> Int? {
        var share = Share(bits: shares[thread * Self.line].load(ordering: .acquiring))
        while !share.isEmpty {
            let (taken, original) = shares[thread * Self.line].weakCompareExchange(
                expected: share.bits, desired: share.without(last: last).bits, ordering: .acquiringAndReleasing)
            if taken { return last ? share.end - 1 : share.next }
            share = Share(bits: original)
        }
        return nil
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

    /// A worker's thread number, and the pool.
    private final class Worker {
        let pool: ThreadPool
        let thread: Int
        init(_ pool: ThreadPool, thread: Int) { (self.pool, self.thread) = (pool, thread) }
    }

    private func startWorker(_ number: Int) {
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                #if canImport(Glibc)
                    let worker = Unmanaged<Worker>.fromOpaque(context!).takeRetainedValue()
                #else
                    let worker = Unmanaged<Worker>.fromOpaque(context).takeRetainedValue()
                #endif
                worker.pool.runWorker(worker.thread)
            }, Unmanaged.passRetained(Worker(self, thread: number)).toOpaque())
        invariant(status == 0, "the system could not start a thread")
    }

    private func runWorker(_ thread: Int) -> Never {
        while true {
            let last = work.load(ordering: .sequentiallyConsistent)
            while runPiece(thread) {}
            var pauses = 0
            while pauses < spins, work.load(ordering: .acquiring) == last {
                pauses += 1
                ck_pause()
            }
            guard work.load(ordering: .sequentiallyConsistent) == last else { continue }
            pthread_mutex_lock(mutex)
            sleepers.add(1, ordering: .sequentiallyConsistent)
            while work.load(ordering: .sequentiallyConsistent) == last { pthread_cond_wait(started, mutex) }
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

/// Divides tasks of unequal costs into contiguous ranges of about equal costs, four for each thread, and runs `body` on
/// each.
func parallel(costs: [Int], _ body: (Range<Int>) -> Void) {
    let threads = ThreadPool.shared.threads
    let pieces = min(threads == 1 ? 1 : threads * 4, costs.count)
    guard pieces > 1 else {
        if !costs.isEmpty { body(0..<costs.count) }
        return
    }
    // Piece p ends in front of the first task whose middle lies beyond (p + 1) / pieces of the costs.
    let total = costs.reduce(0, +)
    var (ends, before) = ([Int](), 0)
    for (task, cost) in costs.enumerated() {
        while ends.count < pieces - 1, (2 * before + cost) * pieces > 2 * (ends.count + 1) * total { ends.append(task) }
        before += cost
    }
    while ends.count < pieces { ends.append(costs.count) }
    ThreadPool.shared.run(pieces: pieces) { piece in
        let range = (piece == 0 ? 0 : ends[piece - 1])..<ends[piece]
        if !range.isEmpty { body(range) }
    }
}

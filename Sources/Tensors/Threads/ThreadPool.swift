internal import CKernels
import Foundation
import System

/// The worker threads of this rank: one pool for matrix products and loops.
///
/// Work is divided into one contiguous part per thread: results depend on the number of threads but never on their
/// timing. A call from inside a part, or while another thread uses the pool, runs its parts one after the other in the
/// calling thread.
package final class ThreadPool: @unchecked Sendable {
    /// The pool of the process; one thread until `resize` is called.
    package static let shared = ThreadPool()

    /// The number of cores in the affinity mask of this process.
    package static var usableCores: Int { Int(ck_usable_cores()) }

    /// The number of parts that work is divided into.
    package private(set) var threads = 1

    private typealias Body = (Int) -> Void
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let started = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let finished = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let owner = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    // Guarded by `mutex`:
    private var body: Body?
    private var generation = 0
    private var running = 0
    private var workers = 0

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
        while workers < threads - 1 {
            workers += 1
            startWorker(part: workers)
        }
    }

    /// Runs `body(part)` for every part in `0 ..< threads` and returns when all are done.
    func run(_ body: (Int) -> Void) {
        guard threads > 1, pthread_mutex_trylock(owner) == 0 else {
            for part in 0..<threads { body(part) }
            return
        }
        defer { pthread_mutex_unlock(owner) }
        withoutActuallyEscaping(body) { body in
            pthread_mutex_lock(mutex)
            self.body = body
            generation += 1
            running = threads - 1
            pthread_cond_broadcast(started)
            pthread_mutex_unlock(mutex)
            body(0)
            pthread_mutex_lock(mutex)
            while running > 0 { pthread_cond_wait(finished, mutex) }
            self.body = nil
            pthread_mutex_unlock(mutex)
        }
    }

    private func startWorker(part: Int) {
        let context = Unmanaged.passRetained(Worker(pool: self, part: part))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                #if canImport(Glibc)
                    let worker = Unmanaged<Worker>.fromOpaque(context!).takeRetainedValue()
                #else
                    let worker = Unmanaged<Worker>.fromOpaque(context).takeRetainedValue()
                #endif
                worker.pool.work(part: worker.part)
            }, context.toOpaque())
        invariant(status == 0, "the system could not start a thread")
    }

    private func work(part: Int) -> Never {
        var seen = 0
        pthread_mutex_lock(mutex)
        while true {
            while generation == seen { pthread_cond_wait(started, mutex) }
            seen = generation
            let body = self.body!
            pthread_mutex_unlock(mutex)
            body(part)
            pthread_mutex_lock(mutex)
            running -= 1
            if running == 0 { pthread_cond_signal(finished) }
        }
    }

    private final class Worker: Sendable {
        let pool: ThreadPool
        let part: Int

        init(pool: ThreadPool, part: Int) {
            self.pool = pool
            self.part = part
        }
    }
}

/// The fewest elements for which another thread pays off.
let elementGrain = 16384

/// Divides `0 ..< count` into one contiguous range per thread, none shorter than `grain`, and runs `body(part, range)`
/// on each; parts are numbered from 0.
func parallelParts(_ count: Int, grain: Int, _ body: (Int, Range<Int>) -> Void) {
    let parts = min(ThreadPool.shared.threads, max(1, count / max(1, grain)))
    guard parts > 1 else {
        if count > 0 { body(0, 0..<count) }
        return
    }
    ThreadPool.shared.run { part in
        guard part < parts else { return }
        body(part, count * part / parts..<count * (part + 1) / parts)
    }
}

/// Divides `0 ..< count` into one contiguous range per thread, none shorter than `grain`, and runs `body` on each.
package func parallel(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
    parallelParts(count, grain: grain) { body($1) }
}

import Foundation
import MPI
import Synchronization
import System

/// Ends the job when a rank hangs, with a message that names the rank, its host and its activity.
///
/// On every rank, a thread regularly reads the progress of the training loop and sends it to rank 0, which replies.
/// Rank 0 names a rank that makes no progress for longer than the limit of its activity, or that is silent; the others
/// name rank 0 if it is silent. Time is measured in intervals between two checks, so that a job that the system
/// suspends and resumes as a whole does not count as hung. If MPI allows calls from one thread only, every rank checks
/// itself alone.
package final class Watchdog: @unchecked Sendable {
    /// The progress of this rank, to be updated by the training loop.
    package let progress = ProgressTracker()
    private let communicator: Communicator
    private let console: Console
    private let interval: Double
    private let mailbox: Mailbox?
    private let isStopping = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)
    /// Used by the watchdog's thread alone.
    private var detector: HangDetector

    /// Starts the thread; nil if the watchdog is disabled. Collective.
    package init?(_ options: WatchdogOptions, on communicator: Communicator, console: Console) throws {
        guard options.enabled else { return nil }
        self.communicator = communicator
        self.console = console
        interval = options.interval
        let hosts = try communicator.allGather(MPIEnvironment.processorName)
        detector = HangDetector(
            Array(repeating: RankStatus(progress.current), count: communicator.size), hosts: hosts, options)
        let hasMessages = communicator.size > 1 && MPIEnvironment.threadLevel == .multiple
        mailbox = hasMessages ? try Mailbox(on: communicator, length: 2) : nil
        let thread = Thread { [self] in watch() }
        thread.name = "watchdog"
        thread.start()
    }

    /// Stops the thread; collective.
    package func stop() throws {
        isStopping.store(true, ordering: .relaxed)
        ended.wait()
        try mailbox?.close()
    }

    private func watch() {
        var last = ContinuousClock.now
        while sleep() {
            let now = ContinuousClock.now
            // After a longer gap, this process was suspended.
            update(elapsed: min(last.duration(to: now) / .seconds(1), 2 * interval))
            last = now
            if let verdict { end(verdict) }
        }
        ended.signal()
    }

    /// Waits for the next check; false when the watchdog is to stop. A condition variable would wait by the wall clock,
    /// which may be set back.
    private func sleep() -> Bool {
        let deadline = ContinuousClock.now + .seconds(interval)
        while ContinuousClock.now < deadline, !isStopping.load(ordering: .relaxed) { usleep(50_000) }
        return !isStopping.load(ordering: .relaxed)
    }

    /// Reads the progress of this rank, and exchanges messages with the others.
    private func update(elapsed: Double) {
        let rank = communicator.rank
        let current = progress.current
        let age = current == detector.ranks[rank].progress ? detector.ranks[rank].age + elapsed : 0
        for other in detector.ranks.indices { detector.ranks[other].silence += elapsed }
        detector.ranks[rank] = RankStatus(current, age: age)
        guard let mailbox else { return }
        let status = [Int64(bitPattern: current.word), Int64(age * 1000)]
        do {
            if rank != 0 { try mailbox.post(status, to: 0) }
            while let message = try mailbox.take() {
                detector.ranks[message.from] = RankStatus(
                    RankProgress(word: UInt64(bitPattern: message.values[0])),
                    age: Double(message.values[1]) / 1000)
                if rank == 0 { try mailbox.post(status, to: message.from) }
            }
        } catch {
            end("rank \(rank) on \(detector.hosts[rank]): the watchdogs cannot exchange messages: \(error)")
        }
    }

    private var verdict: String? {
        let rank = communicator.rank
        guard mailbox != nil else {
            // A rank that waits is patient, so that the rank it waits for is named first.
            return detector.verdict(over: rank..<rank + 1, patience: 2)
        }
        if rank == 0 { return detector.verdict(over: detector.ranks.indices) }
        // With a different limit for each rank, so that only one of them reports.
        let limit = detector.options.silence + min(30, 2 * interval * Double(rank - 1))
        return detector.silence(of: 0..<1, limit: limit)
    }

    private func end(_ sentence: String) -> Never {
        // SIGALRM ends this process, and with it the job, if a terminal that nobody reads or a library blocks it here.
        alarm(10)
        console.failWithoutWaiting(sentence + "; the job ends")
        if communicator.size == 1 { _exit(1) }
        communicator.abort(code: 1)
    }
}

import Foundation
import MPI
import Synchronization
import System

/// Ends the job when a rank hangs, with a sentence that names the rank, its host and what it was doing.
///
/// Every rank has a thread that looks at what the training loop wrote on the `ProgressBoard`. The threads tell
/// rank 0's, which answers: whoever stands still for longer than its limit, or gives no sign of life, is named
/// by rank 0; if that is rank 0 itself, by the others. Time is counted in looks, so that a job that the system
/// stops as a whole and continues later is not taken for a hung one. Where MPI lets one thread alone call it,
/// every rank watches over nobody but itself.
package final class Watchdog: @unchecked Sendable {
    package let board = ProgressBoard()
    private let communicator: Communicator
    private let console: Console
    private let interval: Double
    private let mailbox: Mailbox?
    private let isStopping = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)
    /// The thread's own.
    private var view: WatchdogView

    /// Starts to watch; nil where the configuration wants no watchdog. Collective.
    package init?(_ options: WatchdogOptions, on communicator: Communicator, console: Console) throws {
        guard options.enabled else { return nil }
        self.communicator = communicator
        self.console = console
        interval = options.interval
        let hosts = try communicator.allGather(MPIEnvironment.processorName)
        view = WatchdogView(
            Array(repeating: RankView(board.mark), count: communicator.size), hosts: hosts, options)
        let speaks = communicator.size > 1 && MPIEnvironment.threadLevel == .multiple
        mailbox = speaks ? try Mailbox(on: communicator, length: 2) : nil
        let thread = Thread { [self] in watch() }
        thread.name = "watchdog"
        thread.start()
    }

    /// Ends the watch; collective.
    package func stop() throws {
        isStopping.store(true, ordering: .relaxed)
        ended.wait()
        try mailbox?.close()
    }

    private func watch() {
        var last = ContinuousClock.now
        while sleep() {
            let now = ContinuousClock.now
            // A longer gap means that this process did not run at all.
            look(elapsed: min(last.duration(to: now) / .seconds(1), 2 * interval))
            last = now
            if let verdict { end(verdict) }
        }
        ended.signal()
    }

    /// Waits for the next look; false when the watch ends. A condition would wait by the clock of the day, which
    /// may be set back.
    private func sleep() -> Bool {
        let deadline = ContinuousClock.now + .seconds(interval)
        while ContinuousClock.now < deadline, !isStopping.load(ordering: .relaxed) { usleep(50_000) }
        return !isStopping.load(ordering: .relaxed)
    }

    private func look(elapsed: Double) {
        let rank = communicator.rank
        let mark = board.mark
        let age = mark == view.ranks[rank].mark ? view.ranks[rank].age + elapsed : 0
        for other in view.ranks.indices { view.ranks[other].silence += elapsed }
        view.ranks[rank] = RankView(mark, age: age)
        guard let mailbox else { return }
        let news = [Int64(bitPattern: mark.word), Int64(age * 1000)]
        do {
            if rank != 0 { try mailbox.post(news, to: 0) }
            while let message = try mailbox.take() {
                view.ranks[message.from] = RankView(
                    ProgressMark(word: UInt64(bitPattern: message.values[0])),
                    age: Double(message.values[1]) / 1000)
                if rank == 0 { try mailbox.post(news, to: message.from) }
            }
        } catch {
            end("rank \(rank) on \(view.hosts[rank]): the watchdogs cannot speak to each other: \(error)")
        }
    }

    private var verdict: String? {
        let rank = communicator.rank
        guard mailbox != nil else {
            // Whoever makes this one wait shall speak first.
            return view.verdict(over: rank..<rank + 1, patience: 2)
        }
        if rank == 0 { return view.verdict(over: view.ranks.indices) }
        // One after the other, so that one tells it.
        let patience = view.options.silence + min(30, 2 * interval * Double(rank - 1))
        return view.silence(of: 0..<1, limit: patience)
    }

    private func end(_ sentence: String) -> Never {
        // Neither a terminal that nobody reads nor a library that waits may keep the job: SIGALRM ends this
        // process, and with it the job, whatever else happens.
        alarm(10)
        console.failAtOnce(sentence + "; the job ends")
        if communicator.size == 1 { _exit(1) }
        communicator.abort(code: 1)
    }
}

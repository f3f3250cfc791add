import Foundation
import Jets
import Synchronization
import TestSupport
import Testing

@Suite struct PrefetcherTests {
    private final class Log: Sendable {
        let requests = Mutex<[Int]>([])
        let threads = Mutex<[ObjectIdentifier]>([])

        func produce(_ request: Int) throws -> String {
            requests.withLock { $0.append(request) }
            threads.withLock { $0.append(ObjectIdentifier(Thread.current)) }
            if request == 13 { throw JetError("no luck") }
            return "value \(request)"
        }
    }

    @Test(arguments: [true, false])
    func givesTheValuesInOrder(isThreaded: Bool) throws {
        let log = Log()
        let prefetcher = Prefetcher(rank: 2, isThreaded: isThreaded, produce: log.produce)
        for request in 0..<10 {
            #expect(try prefetcher.value(for: request, thenPreparing: request + 1) == "value \(request)")
        }
        #expect(log.requests.withLock { Array($0.prefix(10)) } == Array(0..<10))
        // The first value was not prepared; the others are produced on the thread, if there is one.
        let caller = ObjectIdentifier(Thread.current)
        let elsewhere = log.threads.withLock { $0.prefix(10).count { $0 != caller } }
        #expect(elsewhere == (isThreaded ? 9 : 0))
    }

    @Test func worksWhileTheCallerDoes() throws {
        let started = DispatchSemaphore(value: 0)
        let prefetcher = Prefetcher(rank: 0, isThreaded: true) { (request: Int) in
            if request == 1 { started.signal() }
            return request
        }
        _ = try prefetcher.value(for: 0, thenPreparing: 1)
        #expect(started.wait(timeout: .now() + 60) == .success)
        #expect(try prefetcher.value(for: 1) == 1)
    }

    @Test(arguments: [true, false])
    func aChangeOfPlanIsHonoured(isThreaded: Bool) throws {
        let prefetcher = Prefetcher(rank: 0, isThreaded: isThreaded, produce: Log().produce)
        _ = try prefetcher.value(for: 0, thenPreparing: 1)
        #expect(try prefetcher.value(for: 7, thenPreparing: 8) == "value 7")
        #expect(try prefetcher.value(for: 7) == "value 7")
        #expect(try prefetcher.value(for: 8) == "value 8")
    }

    @Test(arguments: [true, false])
    func faultsSurfaceWhereTheValueIsAskedFor(isThreaded: Bool) throws {
        let prefetcher = Prefetcher(rank: 2, isThreaded: isThreaded, produce: Log().produce)
        _ = try prefetcher.value(for: 12, thenPreparing: 13)
        #expect(failure { _ = try prefetcher.value(for: 13, thenPreparing: 14) } == "rank 2, 13: no luck")
        #expect(try prefetcher.value(for: 14) == "value 14")
    }

    /// The thread ends with the prefetcher, after the value in progress, and retains nothing.
    @Test func endsWithItsOwner() throws {
        final class Token: Sendable {}
        weak var weakToken: Token?
        let started = DispatchSemaphore(value: 0)
        let finished = Mutex(false)
        do {
            let token = Token()
            weakToken = token
            let prefetcher = Prefetcher(rank: 0, isThreaded: true) { (request: Int) in
                if request == 1 {
                    started.signal()
                    Thread.sleep(forTimeInterval: 0.05)
                    finished.withLock { $0 = true }
                }
                _ = token
                return request
            }
            _ = try prefetcher.value(for: 0, thenPreparing: 1)
            started.wait()
        }
        #expect(weakToken == nil)
        #expect(finished.withLock { $0 })
    }
}

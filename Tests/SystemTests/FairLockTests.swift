import Foundation
import Synchronization
import System
import Testing

@Suite struct FairLockTests {
    /// A thread that waits comes before the one that has just released the lock.
    @Test func theLongestWaitingThreadIsNext() {
        let lock = FairLock()
        let order = Mutex<[String]>([])
        let (isAboutToWait, isDone) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        lock.lock()
        Thread.detachNewThread {
            isAboutToWait.signal()
            lock.lock()
            order.withLock { $0.append("other") }
            lock.unlock()
            isDone.signal()
        }
        isAboutToWait.wait()
        Thread.sleep(forTimeInterval: 0.2)
        lock.unlock()
        lock.lock()
        order.withLock { $0.append("own") }
        lock.unlock()
        isDone.wait()
        #expect(order.withLock { $0 } == ["other", "own"])
    }

    /// A thread may take the lock again that it holds, and others wait for the outermost release.
    @Test func theOwnerMayLockAgain() {
        let lock = FairLock()
        let count = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<100 {
                lock.lock()
                let before = count.withLock { $0 }
                lock.lock()
                lock.unlock()
                count.withLock { $0 = before + 1 }
                lock.unlock()
            }
        }
        #expect(count.withLock { $0 } == 400)
    }
}

import Foundation
import System
import Testing

@Suite struct FileLockTests {
    @Test func aLockIsHeldOnce() throws {
        try withScratchFolder { folder in
            let path = folder + "/.lock"
            do {
                let lock = try #require(try FileLock(path: path))
                lock.write("process 1234567 on node1")
                lock.write("process 1 on node2")
                #expect(try String(contentsOfFile: path, encoding: .utf8) == "process 1 on node2")
                #expect(try FileLock(path: path) == nil)
                #expect(lock.isInPlace)
                try FileManager.default.removeItem(atPath: path)
                #expect(!lock.isInPlace)
                // A new file of that name has a lock of its own.
                let other = try #require(try FileLock(path: path))
                #expect(other.isInPlace && !lock.isInPlace)
            }
            #expect(try FileLock(path: path) != nil)
        }
    }

    @Test func errorsAreNamed() throws {
        let error = #expect(throws: POSIXError.self) { _ = try FileLock(path: "/no/such/folder/.lock") }
        #expect(error.map { reason($0) } == "No such file or directory")
        #expect(FileLock.reasonForMissingSupport(in: "/tmp") == nil)
        #expect(FileLock.reasonForMissingSupport(in: "/no/such/folder") == nil)
    }

    @Test func freeSpaceIsMeasured() throws {
        #expect(try #require(freeSpace(at: "/tmp")) >= 0)
        #expect(freeSpace(at: "/no/such/folder") == nil)
    }
}

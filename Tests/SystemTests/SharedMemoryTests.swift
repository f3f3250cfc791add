import Foundation
import System
import Testing

@Suite struct SharedMemoryTests {
    @Test func anotherProcessMayMapIt() throws {
        let memory = try SharedMemory(bytes: 1 << 16)
        let same = try SharedMemory(memory.path, inode: memory.inode, bytes: 1 << 16)
        memory.address.storeBytes(of: 7, as: Int.self)
        #expect(same.address.load(as: Int.self) == 7)
    }

    /// In another process namespace the path of a descriptor may lead to any file, which must not be written.
    @Test func anotherFileIsRefused() throws {
        try withScratchFolder { folder in
            let path = folder + "/data"
            try Data(repeating: 1, count: 1000).write(to: URL(fileURLWithPath: path))
            let memory = try SharedMemory(bytes: 1 << 16)
            let other = try SharedMemory(bytes: 1 << 16)
            for path in [path, other.path] {
                let error = #expect(throws: KaonError.self) {
                    try SharedMemory(path, inode: memory.inode, bytes: 1 << 16)
                }
                #expect("\(error!)".contains("is not the memory of another rank"))
            }
        }
    }
}

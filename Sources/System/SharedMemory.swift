internal import CKernels
import Foundation

/// Memory that several processes of a host share. It has no name in a file system, so that nothing is left behind
/// however the processes end, and it is not limited by the size of `/dev/shm`.
///
///     let memory = try SharedMemory(bytes: count)        // in one process
///     let same = try SharedMemory(memory.path, inode: memory.inode, bytes: count)  // in the others, before
///     memory.hasBeenMapped()                             // in the first
package final class SharedMemory: @unchecked Sendable {
    /// The first byte; pages that no process has written hold zeros, and belong to the memory of the processor whose
    /// core first writes them.
    package let address: UnsafeMutableRawPointer
    package let bytes: Int
    /// The number of the memory on this host.
    package let inode: Int
    private var descriptor: Int32?

    /// Creates the memory. Throws `KaonError` where the system refuses it.
    package init(bytes: Int) throws {
        let descriptor = ck_memory_file("kaon")
        guard descriptor >= 0 else { throw Self.refusal(bytes) }
        do {
            guard ftruncate(descriptor, off_t(bytes)) == 0 else { throw Self.refusal(bytes) }
            address = try Self.map(descriptor, bytes: bytes)
        } catch {
            close(descriptor)
            throw error
        }
        (self.bytes, self.descriptor, inode) = (bytes, descriptor, Self.inode(of: descriptor))
    }

    /// Maps the memory of another process. Throws `KaonError` where the system refuses it.
    package init(_ path: String, inode: Int, bytes: Int) throws {
        let descriptor = open(path, O_RDWR)
        guard descriptor >= 0 else { throw Self.refusal(bytes) }
        defer { close(descriptor) }
        // In a process namespace of its own, this process may find another file under the path.
        guard Self.inode(of: descriptor) == inode, lseek(descriptor, 0, SEEK_END) == off_t(bytes) else {
            throw KaonError("\(path) is not the memory of another rank: the ranks have different process namespaces")
        }
        address = try Self.map(descriptor, bytes: bytes)
        (self.bytes, self.inode) = (bytes, inode)
    }

    deinit {
        hasBeenMapped()
        munmap(address, bytes)
    }

    /// Path by which other processes of this user on this host can map the memory.
    package var path: String { "/proc/\(getpid())/fd/\(descriptor ?? -1)" }

    /// Ends the validity of `path`, when all processes have mapped the memory.
    package func hasBeenMapped() {
        descriptor.map { _ = close($0) }
        descriptor = nil
    }

    private static func inode(of descriptor: Int32) -> Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_ino) : -1
    }

    private static func map(_ descriptor: Int32, bytes: Int) throws -> UnsafeMutableRawPointer {
        let address = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let address, address != MAP_FAILED else { throw refusal(bytes) }
        #if os(Linux)
            // Large pages save address translations, where the system has them for shared memory.
            _ = madvise(address, bytes, MADV_HUGEPAGE)
        #endif
        return address
    }

    private static func refusal(_ bytes: Int) -> KaonError {
        KaonError("the system refused \(megabytes(bytes)) of shared memory: \(String(cString: strerror(errno)))")
    }
}

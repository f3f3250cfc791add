import Foundation
import Synchronization
import System

/// The allocator of all tensors. It divides a few large pieces of system memory into blocks, so that a training loop in
/// its steady state allocates nothing from the system.
///
/// A request takes the smallest sufficient free block and returns the rest to the free ones; a freed block is merged
/// with its free neighbours. Packed batches change their number of tokens every step: free lists by size would retain
/// memory for every size that ever occurred.
package final class Arena: Sendable {
    /// The arena of the process; safe to use from any thread.
    package static let shared = Arena()

    /// Counters since the start of the process.
    package struct Statistics: Sendable {
        /// Allocations from the system; constant in a steady state.
        package var systemAllocations = 0
        /// Bytes of system memory that the arena holds, used or free.
        package var reservedBytes = 0
        /// Bytes in use now.
        package var usedBytes = 0
        /// The maximum of `usedBytes` since the start or `resetPeak`.
        package var peakBytes = 0
        /// Bytes that the arena holds and does not use.
        package var freeBytes: Int { reservedBytes - usedBytes }
    }

    /// The free blocks, by size for requests and by both ends for merging.
    private struct State: ~Copyable {
        struct Block {
            var bytes: Int
            var address: UInt
        }

        /// Sorted by size, then by address.
        var free: [Block] = []
        var bytesOfStart: [UInt: Int] = [:]
        var startOfEnd: [UInt: UInt] = [:]
        /// The pieces of system memory: sizes by address. Blocks of different pieces are never merged.
        var pieces: [UInt: Int] = [:]
        var statistics = Statistics()

        /// The index of a block of this size and address in `free`.
        func index(_ bytes: Int, _ address: UInt) -> Int {
            var (low, high) = (0, free.count)
            while low < high {
                let middle = (low + high) / 2
                let block = free[middle]
                if (block.bytes, block.address) < (bytes, address) { low = middle + 1 } else { high = middle }
            }
            return low
        }

        mutating func insert(_ address: UInt, _ bytes: Int) {
            free.insert(Block(bytes: bytes, address: address), at: index(bytes, address))
            bytesOfStart[address] = bytes
            startOfEnd[address + UInt(bytes)] = address
        }

        mutating func remove(_ address: UInt, _ bytes: Int) {
            free.remove(at: index(bytes, address))
            bytesOfStart[address] = nil
            startOfEnd[address + UInt(bytes)] = nil
        }
    }

    private static let alignment = 256
    private static let smallestPiece = 32 << 20
    private let state = Mutex(State())

    /// A snapshot of the counters.
    package var statistics: Statistics { state.withLock { $0.statistics } }

    /// Starts a new measurement of `peakBytes`.
    package func resetPeak() {
        state.withLock { $0.statistics.peakBytes = $0.statistics.usedBytes }
    }

    /// Returns the memory of the free blocks to the system, which provides it again where they are used.
    package func releaseFreeMemory() {
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        state.withLock { state in
            for block in state.free {
                let start = (block.address + page - 1) / page * page
                let end = (block.address + UInt(block.bytes)) / page * page
                guard start < end else { continue }
                _ = madvise(UnsafeMutableRawPointer(bitPattern: start), Int(end - start), MADV_DONTNEED)
            }
        }
    }

    /// Returns a block of at least this size, and its size.
    func allocate(bytes: Int) -> (pointer: UnsafeMutableRawPointer, bytes: Int) {
        let wanted = max(1, (bytes + Self.alignment - 1) / Self.alignment) * Self.alignment
        let address = state.withLock { state in
            if state.free.last.map({ $0.bytes < wanted }) ?? true {
                let bytes = Self.pieceBytes(holding: wanted)
                let address = Self.systemAllocate(bytes: bytes)
                state.pieces[address] = bytes
                state.insert(address, bytes)
                state.statistics.systemAllocations += 1
                state.statistics.reservedBytes += bytes
            }
            let block = state.free[state.index(wanted, 0)]
            state.remove(block.address, block.bytes)
            if block.bytes > wanted { state.insert(block.address + UInt(wanted), block.bytes - wanted) }
            state.statistics.usedBytes += wanted
            state.statistics.peakBytes = max(state.statistics.peakBytes, state.statistics.usedBytes)
            return block.address
        }
        return (UnsafeMutableRawPointer(bitPattern: address)!, wanted)
    }

    func free(_ pointer: UnsafeMutableRawPointer, bytes: Int) {
        state.withLock { state in
            state.statistics.usedBytes -= bytes
            var (start, end) = (UInt(bitPattern: pointer), UInt(bitPattern: pointer) + UInt(bytes))
            if state.pieces[start] == nil, let left = state.startOfEnd[start] {
                state.remove(left, Int(start - left))
                start = left
            }
            if state.pieces[end] == nil, let right = state.bytesOfStart[end] {
                state.remove(end, right)
                end += UInt(right)
            }
            state.insert(start, Int(end - start))
        }
    }

    /// Rounds very large requests up to one of eight sizes per power of two, so that later, slightly larger ones fit.
    private static func pieceBytes(holding bytes: Int) -> Int {
        guard bytes > smallestPiece else { return smallestPiece }
        let step = 1 << (Int.bitWidth - 4 - bytes.leadingZeroBitCount)
        return (bytes + step - 1) / step * step
    }

    private static func systemAllocate(bytes: Int) -> UInt {
        var pointer: UnsafeMutableRawPointer?
        let status = posix_memalign(&pointer, 2 << 20, bytes)
        guard status == 0, let pointer else {
            outOfMemory("the system refused \(megabytes(bytes)) for a tensor")
        }
        #if os(Linux)
            // Transparent huge pages save address translations: products read hundreds of megabytes.
            _ = madvise(pointer, bytes, MADV_HUGEPAGE)
        #endif
        return UInt(bitPattern: pointer)
    }
}

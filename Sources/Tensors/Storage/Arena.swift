import Foundation
import Synchronization
import System

/// The memory of all tensors: a few large pieces from the system, of which each tensor gets a block, so that a training
/// loop in its steady state asks the system for nothing.
///
/// A request takes the smallest free block that holds it and leaves the rest free; a block that is freed joins its free
/// neighbours. Packed batches change their number of tokens every step, and lists of blocks by size would keep memory for
/// every size that was ever seen.
package final class Arena: Sendable {
    /// The one arena of the process; it may be used from any thread.
    package static let shared = Arena()

    /// What the arena did since the process started.
    package struct Statistics: Sendable {
        /// Requests that the system had to serve; constant in a steady state.
        package var systemAllocations = 0
        /// Bytes that the arena holds, used or free.
        package var reservedBytes = 0
        /// Bytes in use now.
        package var usedBytes = 0
        /// The most bytes that were in use at one time.
        package var peakBytes = 0
    }

    /// The free blocks, by size for requests and by their ends for neighbours.
    private struct State: ~Copyable {
        struct Block {
            var bytes: Int
            var address: UInt
        }

        /// Rising in size, then in address.
        var free: [Block] = []
        var bytesOfStart: [UInt: Int] = [:]
        var startOfEnd: [UInt: UInt] = [:]
        /// The pieces from the system: where they start, and their sizes. Blocks never join across two.
        var pieces: [UInt: Int] = [:]
        var statistics = Statistics()

        /// The place of a block of this size and address among the free ones.
        func place(_ bytes: Int, _ address: UInt) -> Int {
            var (low, high) = (0, free.count)
            while low < high {
                let middle = (low + high) / 2
                let block = free[middle]
                if (block.bytes, block.address) < (bytes, address) { low = middle + 1 } else { high = middle }
            }
            return low
        }

        mutating func insert(_ address: UInt, _ bytes: Int) {
            free.insert(Block(bytes: bytes, address: address), at: place(bytes, address))
            bytesOfStart[address] = bytes
            startOfEnd[address + UInt(bytes)] = address
        }

        mutating func remove(_ address: UInt, _ bytes: Int) {
            free.remove(at: place(bytes, address))
            bytesOfStart[address] = nil
            startOfEnd[address + UInt(bytes)] = nil
        }
    }

    private static let alignment = 256
    private static let smallestPiece = 32 << 20
    private let state = Mutex(State())

    /// A snapshot of the counters.
    package var statistics: Statistics { state.withLock { $0.statistics } }

    /// A block of at least this size, and its size.
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
            let block = state.free[state.place(wanted, 0)]
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

    /// Eight sizes an octave for very large requests: a little more than asked for serves the next, too.
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
            // Transparent huge pages: the products run through hundreds of megabytes.
            _ = madvise(pointer, bytes, MADV_HUGEPAGE)
        #endif
        return UInt(bitPattern: pointer)
    }
}

/// One block of the arena, returned to it when the last tensor that looks at it is gone.
package final class Storage: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Float>
    private let bytes: Int

    init(count: Int) {
        let block = Arena.shared.allocate(bytes: count * MemoryLayout<Float>.stride)
        pointer = block.pointer.assumingMemoryBound(to: Float.self)
        bytes = block.bytes
    }

    deinit {
        Arena.shared.free(pointer, bytes: bytes)
    }
}

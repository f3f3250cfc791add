import Foundation
import Synchronization

/// The memory of all tensors: blocks that are freed go to a list and are handed out again, so that a training loop in
/// its steady state asks the system for nothing.
///
/// Sizes are rounded up to eight steps an octave, because packed batches change their number of tokens every step; a
/// free block up to twice the size asked for is taken before the system is asked.
public final class Arena: Sendable {
    /// The one arena of the process; it may be used from any thread.
    public static let shared = Arena()

    /// What the arena did since the process started.
    public struct Statistics: Sendable {
        /// Requests that the system had to serve; constant in a steady state.
        public var systemAllocations = 0
        /// Bytes that the arena holds, used or free.
        public var reservedBytes = 0
        /// Bytes in use now.
        public var usedBytes = 0
        /// The most bytes that were in use at one time.
        public var peakBytes = 0
    }

    private struct State: ~Copyable {
        /// Addresses of the unused blocks of each size class.
        var free: [[UInt]] = Array(repeating: [], count: Arena.classCount)
        var statistics = Statistics()
    }

    private static let alignment = 64
    private static let smallestExponent = 8  // 256 bytes
    private static let classCount = 8 * (48 - smallestExponent)
    private let state = Mutex(State())

    /// A snapshot of the counters.
    public var statistics: Statistics { state.withLock { $0.statistics } }

    /// Gives all unused blocks back to the system.
    public func trim() {
        state.withLock { state in
            for sizeClass in state.free.indices {
                for address in state.free[sizeClass] { Self.systemFree(address) }
                state.statistics.reservedBytes -= state.free[sizeClass].count * Self.bytes(ofClass: sizeClass)
                state.free[sizeClass].removeAll()
            }
        }
    }

    func allocate(bytes: Int) -> (pointer: UnsafeMutableRawPointer, sizeClass: Int) {
        let wanted = Self.sizeClass(of: bytes)
        let (address, found) = state.withLock { state in
            var found = wanted
            let last = min(wanted + 8, Self.classCount - 1)
            while found <= last, state.free[found].isEmpty { found += 1 }
            let address: UInt
            if found <= last {
                address = state.free[found].removeLast()
            } else {
                found = wanted
                address = Self.systemAllocate(bytes: Self.bytes(ofClass: found))
                state.statistics.systemAllocations += 1
                state.statistics.reservedBytes += Self.bytes(ofClass: found)
            }
            state.statistics.usedBytes += Self.bytes(ofClass: found)
            state.statistics.peakBytes = max(state.statistics.peakBytes, state.statistics.usedBytes)
            return (address, found)
        }
        return (UnsafeMutableRawPointer(bitPattern: address)!, found)
    }

    func free(_ pointer: UnsafeMutableRawPointer, sizeClass: Int) {
        let address = UInt(bitPattern: pointer)
        state.withLock { state in
            state.free[sizeClass].append(address)
            state.statistics.usedBytes -= Self.bytes(ofClass: sizeClass)
        }
    }

    /// Class 8e + s holds blocks of 2^(e + 8) · (1 + s / 8) bytes.
    static func sizeClass(of bytes: Int) -> Int {
        let bytes = max(bytes, 1 << smallestExponent)
        let exponent = Int.bitWidth - 1 - bytes.leadingZeroBitCount
        let step = 1 << (exponent - 3)
        let eighths = (bytes - (1 << exponent) + step - 1) / step  // 8 is the first class of the next octave
        return 8 * (exponent - smallestExponent) + eighths
    }

    static func bytes(ofClass sizeClass: Int) -> Int {
        let exponent = sizeClass / 8 + smallestExponent
        return (1 << exponent) + (sizeClass % 8) * (1 << (exponent - 3))
    }

    private static func systemAllocate(bytes: Int) -> UInt {
        var pointer: UnsafeMutableRawPointer?
        let large = bytes >= 4 << 20
        let status = posix_memalign(&pointer, large ? 2 << 20 : alignment, bytes)
        guard status == 0, let pointer else {
            preconditionFailure("out of memory: the system refused \(bytes) bytes for a tensor")
        }
        #if os(Linux)
            // Transparent huge pages: the products run through hundreds of megabytes.
            if large { _ = madvise(pointer, bytes, MADV_HUGEPAGE) }
        #endif
        return UInt(bitPattern: pointer)
    }

    private static func systemFree(_ address: UInt) {
        Foundation.free(UnsafeMutableRawPointer(bitPattern: address))
    }
}

/// One block of the arena, returned to it when the last tensor that looks at it is gone.
public final class Storage: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Float>
    private let sizeClass: Int

    init(count: Int) {
        let block = Arena.shared.allocate(bytes: count * MemoryLayout<Float>.stride)
        pointer = block.pointer.assumingMemoryBound(to: Float.self)
        sizeClass = block.sizeClass
    }

    deinit {
        Arena.shared.free(pointer, sizeClass: sizeClass)
    }
}

internal import CKernels
import System

/// bfloat16 numbers in contiguous row-major order: what products read and a backward pass keeps, in half the memory.
///
/// Copies share the values, as those of `Tensor` do.
struct NarrowTensor: @unchecked Sendable {
    private let storage: Storage
    /// The length of every dimension.
    let shape: [Int]

    /// A tensor whose values are not set.
    init(shape: [Int]) {
        self.shape = shape
        storage = Storage(count: (shape.reduce(1, *) + 1) / 2)
    }

    /// The values of a tensor, to nearest, ties to even.
    init(rounding tensor: Tensor) {
        self.init(shape: tensor.shape)
        round(tensor)
    }

    /// Takes the values of a tensor, to nearest, ties to even.
    func round(_ tensor: Tensor) {
        invariant(tensor.count == count, "\(tensor.shape) does not fill \(shape)")
        let (to, from) = (pointer, tensor.pointer)
        parallel(count, grain: elementGrain) {
            narrow(from + $0.lowerBound, to: to + $0.lowerBound, count: $0.count)
        }
    }

    var count: Int { shape.reduce(1, *) }
    var rows: Int { Values.narrow(self).rows }
    var columns: Int { Values.narrow(self).columns }

    /// The first value; valid while a tensor of this storage lives.
    var pointer: UnsafeMutablePointer<UInt16> {
        UnsafeMutableRawPointer(storage.pointer).assumingMemoryBound(to: UInt16.self)
    }

    /// The same numbers in single precision.
    func widened() -> Tensor {
        let result = Tensor(shape: shape)
        let (to, from) = (result.pointer, pointer)
        parallel(count, grain: elementGrain) {
            widen(from + $0.lowerBound, to: to + $0.lowerBound, count: $0.count)
        }
        return result
    }
}

/// Rounds consecutive values, in the calling thread.
func narrow(_ from: UnsafePointer<Float>, to: UnsafeMutablePointer<UInt16>, count: Int) {
    ck_narrow(to, Int64(count), from, Int64(count), 1, Int64(count))
}

/// Copies consecutive values, in the calling thread.
func widen(_ from: UnsafePointer<UInt16>, to: UnsafeMutablePointer<Float>, count: Int) {
    ck_widen(to, Int64(count), from, Int64(count), 1, Int64(count))
}

/// Calls `body(first row, rows, scratch)` for blocks of rows that fit into the nearest cache together with their copies
/// in single precision, `floats` of them a row.
func forEachBlock(
    of rows: Range<Int>, floats: Int, _ body: (Int, Int, UnsafeMutablePointer<Float>) -> Void
) {
    let height = max(1, 6144 / floats)
    let scratch = Tensor(shape: [height, floats])
    withExtendedLifetime(scratch) {
        for first in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
            body(first, min(height, rows.upperBound - first), scratch.pointer)
        }
    }
}

internal import CKernels
import Foundation
import System

/// A contiguous row-major array of numbers of one element type.
///
/// A tensor is a view: copies share the elements. Two-dimensional tensors are `[rows, columns]`; packed jets are
/// `[tokens, channels]` with a separate `Offsets`.
///
///     let x = Tensor(repeating: 0, shape: [tokens, channels])
///     x.rows(3..<5).buffer[0] = 1      // visible in x
package struct Tensor: @unchecked Sendable {
    private var storage: Storage
    /// The first element of this view, counted in the storage.
    private let start: Int
    /// The length of every dimension.
    package let shape: [Int]
    /// The number of elements.
    package let count: Int
    package let elementType: ScalarType

    /// A tensor with uninitialised elements.
    package init(shape: [Int], elementType: ScalarType = .float32) {
        invariant(shape.allSatisfy { $0 >= 0 }, "negative dimension in shape \(shape)")
        self.shape = shape
        self.elementType = elementType
        count = shape.reduce(1, *)
        start = 0
        storage = Storage(bytes: count * elementType.size)
    }

    /// A single-precision tensor of the given values.
    package init(_ values: [Float], shape: [Int]) {
        self.init(shape: shape)
        invariant(values.count == count, "\(values.count) values do not fill a tensor of shape \(shape)")
        values.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { pointer.update(from: base, count: count) }
        }
    }

    /// A single-precision tensor whose elements all have one value.
    package init(repeating value: Float, shape: [Int]) {
        self.init(shape: shape)
        pointer.update(repeating: value, count: count)
    }

    /// A tensor in memory of another owner, such as memory that several processes share.
    package init(
        at address: UnsafeMutableRawPointer, shape: [Int], elementType: ScalarType = .float32, owner: AnyObject
    ) {
        (self.shape, self.elementType) = (shape, elementType)
        count = shape.reduce(1, *)
        start = 0
        storage = Storage(address: address, owner: owner)
    }

    private init(_ other: Tensor, start: Int, shape: [Int], count: Int) {
        storage = other.storage
        elementType = other.elementType
        self.start = start
        self.shape = shape
        self.count = count
    }

    /// The first element of either type; valid while a tensor of this storage exists.
    var address: UnsafeMutableRawPointer { storage.address + start * elementType.size }

    /// The first element of a single-precision tensor; valid while a tensor of this storage exists.
    package var pointer: UnsafeMutablePointer<Float> {
        invariant(elementType == .float32, "a bfloat16 tensor of shape \(shape) was read in single precision")
        return storage.address.assumingMemoryBound(to: Float.self) + start
    }

    /// The first element of a bfloat16 tensor, as bits; valid while a tensor of this storage exists.
    var bfloat16Pointer: UnsafeMutablePointer<UInt16> {
        invariant(elementType == .bfloat16, "a single-precision tensor of shape \(shape) was read as bfloat16")
        return storage.address.assumingMemoryBound(to: UInt16.self) + start
    }

    /// The elements of a single-precision tensor; valid while a tensor of this storage exists.
    package var buffer: UnsafeMutableBufferPointer<Float> { .init(start: pointer, count: count) }

    /// A copy of the elements of a single-precision tensor.
    package var array: [Float] { Array(buffer) }

    /// The first dimension of a matrix: tokens, or outputs of a weight.
    package var rows: Int {
        invariant(shape.count == 2, "shape \(shape) is not a matrix")
        return shape[0]
    }

    /// The second dimension of a matrix: channels, or inputs of a weight.
    package var columns: Int {
        invariant(shape.count == 2, "shape \(shape) is not a matrix")
        return shape[1]
    }

    /// A view of the same elements under another shape.
    package func reshaped(_ shape: [Int]) -> Tensor {
        invariant(shape.reduce(1, *) == count, "shape \(self.shape) cannot become \(shape)")
        return Tensor(self, start: start, shape: shape, count: count)
    }

    /// A view of consecutive elements.
    package func slice(_ range: Range<Int>, shape: [Int]) -> Tensor {
        invariant(range.lowerBound >= 0 && range.upperBound <= count, "slice \(range) of \(count) elements")
        invariant(shape.reduce(1, *) == range.count, "\(range.count) elements cannot have shape \(shape)")
        return Tensor(self, start: start + range.lowerBound, shape: shape, count: range.count)
    }

    /// A view of consecutive rows of a matrix.
    package func rows(_ range: Range<Int>) -> Tensor {
        slice(range.lowerBound * columns..<range.upperBound * columns, shape: [range.count, columns])
    }

    /// A copy with storage of its own.
    package func copy() -> Tensor {
        let result = Tensor(shape: shape, elementType: elementType)
        result.address.copyMemory(from: address, byteCount: count * elementType.size)
        return result
    }

    /// Sets rows of a matrix to zero.
    func zeroRows(_ range: Range<Int>) {
        memset(address + range.lowerBound * columns * elementType.size, 0, range.count * columns * elementType.size)
    }

    /// True if no other tensor shares this storage, so that it may be changed in place.
    mutating func isUnique() -> Bool { isKnownUniquelyReferenced(&storage) }

    /// Adds a tensor of the same shape and either element type to this single-precision tensor, in place.
    package func add(_ other: Tensor) {
        invariant(shape == other.shape, "cannot add shape \(other.shape) to \(shape)")
        let to = pointer
        parallel(count, grain: elementGrain) { range in
            forEachBlock(of: range, floats: other.scratchFloats(1)) { block in
                let from = block.read(other, width: 1)
                ck_add(to + block.first, from, Int64(block.count))
            }
        }
    }

    /// The elements in another type: the tensor itself where it has that type. bfloat16 is rounded to nearest, ties to
    /// even.
    func converted(to type: ScalarType) -> Tensor {
        if type == elementType { return self }
        let result = Tensor(shape: shape, elementType: type)
        parallel(count, grain: elementGrain) { range in
            let (first, n) = (range.lowerBound, Int64(range.count))
            if type == .bfloat16 {
                ck_narrow(result.bfloat16Pointer + first, n, pointer + first, n, 1, n)
            } else {
                ck_widen(result.pointer + first, n, bfloat16Pointer + first, n, 1, n)
            }
        }
        return result
    }
}

internal import CKernels
import System

/// Single-precision values in contiguous row-major order.
///
/// A tensor is a view: copies share the values. Two-dimensional tensors are `[rows, columns]`; packed jets are
/// `[tokens, channels]` with a separate `Offsets`.
package struct Tensor: @unchecked Sendable {
    var storage: Storage
    private let start: Int
    /// The length of every dimension.
    package let shape: [Int]
    /// The number of elements.
    package let count: Int

    /// A tensor whose values are not set.
    package init(shape: [Int]) {
        invariant(shape.allSatisfy { $0 >= 0 }, "negative dimension in shape \(shape)")
        self.shape = shape
        count = shape.reduce(1, *)
        start = 0
        storage = Storage(count: count)
    }

    /// A tensor of the given values.
    package init(_ values: [Float], shape: [Int]) {
        self.init(shape: shape)
        invariant(values.count == count, "\(values.count) values do not fill a tensor of shape \(shape)")
        values.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { pointer.update(from: base, count: count) }
        }
    }

    /// A tensor whose elements all have one value.
    package init(repeating value: Float, shape: [Int]) {
        self.init(shape: shape)
        pointer.update(repeating: value, count: count)
    }

    private init(storage: Storage, start: Int, shape: [Int]) {
        self.storage = storage
        self.start = start
        self.shape = shape
        count = shape.reduce(1, *)
    }

    /// The first value; valid while a tensor of this storage lives.
    package var pointer: UnsafeMutablePointer<Float> { storage.pointer + start }

    /// The values as a buffer; valid while a tensor of this storage lives.
    package var buffer: UnsafeMutableBufferPointer<Float> { .init(start: pointer, count: count) }

    /// A copy of the values.
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

    /// The same values under another shape.
    package func reshaped(_ shape: [Int]) -> Tensor {
        invariant(shape.reduce(1, *) == count, "shape \(self.shape) cannot become \(shape)")
        return Tensor(storage: storage, start: start, shape: shape)
    }

    /// A view of consecutive elements.
    package func slice(_ range: Range<Int>, shape: [Int]) -> Tensor {
        invariant(range.lowerBound >= 0 && range.upperBound <= count, "slice \(range) of \(count) elements")
        invariant(shape.reduce(1, *) == range.count, "\(range.count) elements cannot have shape \(shape)")
        return Tensor(storage: storage, start: start + range.lowerBound, shape: shape)
    }

    /// A view of consecutive rows of a matrix.
    package func rows(_ range: Range<Int>) -> Tensor {
        slice(range.lowerBound * columns..<range.upperBound * columns, shape: [range.count, columns])
    }

    /// A copy with storage of its own.
    package func copy() -> Tensor {
        let result = Tensor(shape: shape)
        result.pointer.update(from: pointer, count: count)
        return result
    }

    /// Whether no other tensor looks at this storage, so that it may be changed in place.
    mutating func isUnique() -> Bool { isKnownUniquelyReferenced(&storage) }

    /// Adds the elements of a tensor of the same shape, in place.
    package func add(_ other: Tensor) {
        invariant(shape == other.shape, "cannot add shape \(other.shape) to \(shape)")
        let (to, from) = (pointer, other.pointer)
        parallel(count, grain: elementGrain) { ck_add(to + $0.lowerBound, from + $0.lowerBound, Int64($0.count)) }
    }
}

/// Where each jet begins in a packed tensor: `offsets[j] ..< offsets[j + 1]` are the rows of jet j.
package struct Offsets: Sendable, Equatable {
    /// `jets + 1` rising values, the first 0, the last the number of tokens.
    package let values: [Int32]

    package init(_ values: [Int32]) {
        invariant(values.first == 0, "offsets begin with 0")
        invariant(zip(values, values.dropFirst()).allSatisfy { $0 <= $1 }, "offsets rise")
        self.values = values
    }

    /// Offsets of jets with the given numbers of tokens.
    package init(counts: some Sequence<Int>) {
        var values: [Int32] = [0]
        for count in counts { values.append(values[values.count - 1] + Int32(count)) }
        self.init(values)
    }

    /// The number of jets.
    package var jets: Int { values.count - 1 }
    /// The number of tokens.
    package var tokens: Int { Int(values[values.count - 1]) }

    /// The rows of a jet.
    package subscript(jet: Int) -> Range<Int> { Int(values[jet])..<Int(values[jet + 1]) }
}

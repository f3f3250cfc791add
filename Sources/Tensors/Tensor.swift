internal import CKernels

/// Single-precision values in contiguous row-major order.
///
/// A tensor is a view: copies share the values. Two-dimensional tensors are `[rows, columns]`; packed jets are
/// `[tokens, channels]` with a separate `Offsets`.
public struct Tensor: @unchecked Sendable {
    var storage: Storage
    private let start: Int
    /// The length of every dimension.
    public let shape: [Int]
    /// The number of elements.
    public let count: Int

    /// A tensor whose values are not set.
    public init(shape: [Int]) {
        precondition(shape.allSatisfy { $0 >= 0 }, "negative dimension in shape \(shape)")
        self.shape = shape
        count = shape.reduce(1, *)
        start = 0
        storage = Storage(count: count)
    }

    /// A tensor of the given values.
    public init(_ values: [Float], shape: [Int]) {
        self.init(shape: shape)
        precondition(values.count == count, "\(values.count) values do not fill a tensor of shape \(shape)")
        values.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { pointer.update(from: base, count: count) }
        }
    }

    /// A tensor whose elements all have one value.
    public init(repeating value: Float, shape: [Int]) {
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
    public var pointer: UnsafeMutablePointer<Float> { storage.pointer + start }

    /// The values as a buffer; valid while a tensor of this storage lives.
    public var buffer: UnsafeMutableBufferPointer<Float> { .init(start: pointer, count: count) }

    /// A copy of the values.
    public var array: [Float] { Array(buffer) }

    /// The first dimension of a matrix: tokens, or outputs of a weight.
    public var rows: Int {
        precondition(shape.count == 2, "shape \(shape) is not a matrix")
        return shape[0]
    }

    /// The second dimension of a matrix: channels, or inputs of a weight.
    public var columns: Int {
        precondition(shape.count == 2, "shape \(shape) is not a matrix")
        return shape[1]
    }

    /// The same values under another shape.
    public func reshaped(_ shape: [Int]) -> Tensor {
        precondition(shape.reduce(1, *) == count, "shape \(self.shape) cannot become \(shape)")
        return Tensor(storage: storage, start: start, shape: shape)
    }

    /// A view of consecutive elements.
    public func slice(_ range: Range<Int>, shape: [Int]) -> Tensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "slice \(range) of \(count) elements")
        precondition(shape.reduce(1, *) == range.count, "\(range.count) elements cannot have shape \(shape)")
        return Tensor(storage: storage, start: start + range.lowerBound, shape: shape)
    }

    /// A view of consecutive rows of a matrix.
    public func rows(_ range: Range<Int>) -> Tensor {
        slice(range.lowerBound * columns..<range.upperBound * columns, shape: [range.count, columns])
    }

    /// A copy with storage of its own.
    public func copy() -> Tensor {
        let result = Tensor(shape: shape)
        result.pointer.update(from: pointer, count: count)
        return result
    }

    /// Whether no other tensor looks at this storage, so that it may be changed in place.
    mutating func isUnique() -> Bool { isKnownUniquelyReferenced(&storage) }

    /// Adds the elements of a tensor of the same shape, in place.
    package func add(_ other: Tensor) {
        precondition(shape == other.shape, "cannot add shape \(other.shape) to \(shape)")
        let (to, from) = (pointer, other.pointer)
        parallel(count, grain: elementGrain) { ck_add(to + $0.lowerBound, from + $0.lowerBound, Int64($0.count)) }
    }
}

/// Where each jet begins in a packed tensor: `offsets[j] ..< offsets[j + 1]` are the rows of jet j.
public struct Offsets: Sendable, Equatable {
    /// `jets + 1` rising values, the first 0, the last the number of tokens.
    public let values: [Int32]

    public init(_ values: [Int32]) {
        precondition(values.first == 0, "offsets begin with 0")
        precondition(zip(values, values.dropFirst()).allSatisfy { $0 <= $1 }, "offsets rise")
        self.values = values
    }

    /// Offsets of jets with the given numbers of tokens.
    public init(counts: some Sequence<Int>) {
        var values: [Int32] = [0]
        for count in counts { values.append(values[values.count - 1] + Int32(count)) }
        self.init(values)
    }

    /// The number of jets.
    public var jets: Int { values.count - 1 }
    /// The number of tokens.
    public var tokens: Int { Int(values[values.count - 1]) }

    /// The rows of a jet.
    public subscript(jet: Int) -> Range<Int> { Int(values[jet])..<Int(values[jet + 1]) }
}

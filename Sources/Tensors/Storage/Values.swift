import System

/// The values of a variable, or their gradient, in the precision that they are kept in.
enum Values {
    case single(Tensor)
    case narrow(NarrowTensor)

    /// Values that are not set.
    init(shape: [Int], isNarrow: Bool) {
        self = isNarrow ? .narrow(NarrowTensor(shape: shape)) : .single(Tensor(shape: shape))
    }

    var isNarrow: Bool {
        if case .narrow = self { true } else { false }
    }

    var shape: [Int] {
        switch self {
        case .single(let tensor): tensor.shape
        case .narrow(let tensor): tensor.shape
        }
    }

    /// The first dimension of a matrix.
    var rows: Int {
        invariant(shape.count == 2, "shape \(shape) is not a matrix")
        return shape[0]
    }

    /// The second dimension of a matrix.
    var columns: Int {
        invariant(shape.count == 2, "shape \(shape) is not a matrix")
        return shape[1]
    }

    /// The tensor of single precision; traps where there is none.
    var single: Tensor {
        guard case .single(let tensor) = self else {
            unreachable("an operation of single precision was handed bfloat16 values")
        }
        return tensor
    }

    /// The values as bfloat16 numbers.
    func narrowed() -> NarrowTensor {
        switch self {
        case .single(let tensor): NarrowTensor(rounding: tensor)
        case .narrow(let tensor): tensor
        }
    }

    /// The values in single precision.
    func widened() -> Tensor {
        switch self {
        case .single(let tensor): tensor
        case .narrow(let tensor): tensor.widened()
        }
    }

    /// The values as a product reads them.
    func factor(isNarrow: Bool) -> Values { isNarrow ? .narrow(narrowed()) : .single(widened()) }

    /// Calls `body(first row, rows, where to write them)`, in single precision, for parts of the rows of a matrix.
    func writeRows(_ rows: Range<Int>, _ body: (Int, Int, UnsafeMutablePointer<Float>) -> Void) {
        let width = columns
        switch self {
        case .single(let tensor): body(rows.lowerBound, rows.count, tensor.pointer + rows.lowerBound * width)
        case .narrow(let tensor):
            forEachBlock(of: rows, floats: width) { first, count, scratch in
                body(first, count, scratch)
                Tensors.narrow(scratch, to: tensor.pointer + first * width, count: count * width)
            }
        }
    }

    /// Calls `body(first row, rows, their values)`, in single precision, for parts of the rows of a matrix.
    func readRows(_ rows: Range<Int>, _ body: (Int, Int, UnsafePointer<Float>) -> Void) {
        let width = columns
        switch self {
        case .single(let tensor): body(rows.lowerBound, rows.count, tensor.pointer + rows.lowerBound * width)
        case .narrow(let tensor):
            forEachBlock(of: rows, floats: width) { first, count, scratch in
                widen(tensor.pointer + first * width, to: scratch, count: count * width)
                body(first, count, scratch)
            }
        }
    }
}

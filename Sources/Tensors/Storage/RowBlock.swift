internal import CKernels

/// Consecutive rows of the operands of an operation, with memory for single-precision copies of those in bfloat16.
///
///     forEachBlock(of: rows, floats: x.scratchFloats(channels) + y.scratchFloats(channels)) { block in
///         let from = block.read(x, width: channels)
///         let to = block.output(y, width: channels)
///         kernel(to, from, block.count)
///         block.store(to, y, width: channels)
///     }
struct RowBlock {
    let first: Int
    let count: Int
    private var free: UnsafeMutablePointer<Float>?

    fileprivate init(first: Int, count: Int, scratch: UnsafeMutablePointer<Float>?) {
        (self.first, self.count, free) = (first, count, scratch)
    }

    /// The elements of these rows of a tensor of `width` columns, in single precision.
    mutating func read(_ tensor: Tensor, width: Int) -> UnsafePointer<Float> {
        let place = output(tensor, width: width)
        if tensor.elementType == .bfloat16 {
            let n = Int64(count * width)
            ck_widen(place, n, tensor.bfloat16Pointer + first * width, n, 1, n)
        }
        return UnsafePointer(place)
    }

    /// Memory for the results of these rows: the tensor's own where it is single-precision.
    mutating func output(_ tensor: Tensor, width: Int) -> UnsafeMutablePointer<Float> {
        if tensor.elementType == .float32 { return tensor.pointer + first * width }
        defer { free! += count * width }
        return free!
    }

    /// Rounds results that were written to `output` into the rows of a bfloat16 tensor.
    func store(_ results: UnsafePointer<Float>, _ tensor: Tensor, width: Int) {
        guard tensor.elementType == .bfloat16 else { return }
        let n = Int64(count * width)
        ck_narrow(tensor.bfloat16Pointer + first * width, n, results, n, 1, n)
    }
}

extension Tensor {
    /// The floats that a block needs for each row of `width` columns of this tensor.
    func scratchFloats(_ width: Int) -> Int { elementType == .bfloat16 ? width : 0 }
}

/// Runs `body` on blocks of rows that fit into the first-level cache together with their copies, `floats` per row; on
/// all rows at once where nothing has to be copied.
func forEachBlock(of rows: Range<Int>, floats: Int, _ body: (inout RowBlock) -> Void) {
    guard floats > 0 else {
        var block = RowBlock(first: rows.lowerBound, count: rows.count, scratch: nil)
        return body(&block)
    }
    let height = max(1, 6144 / floats)
    let scratch = Tensor(shape: [min(height, rows.count), floats])
    withExtendedLifetime(scratch) {
        for first in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
            var block = RowBlock(
                first: first, count: min(height, rows.upperBound - first), scratch: scratch.pointer)
            body(&block)
        }
    }
}

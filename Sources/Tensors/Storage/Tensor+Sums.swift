internal import CKernels

/// The sum of `body` over contiguous parts of `0 ..< count`, added in the order of the parts.
package func parallelSum(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Double) -> Double {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: ThreadPool.shared.threads) { partials in
        partials.initialize(repeating: 0)
        parallelParts(count, grain: grain) { part, range in partials[part] = body(range) }
        return partials.reduce(0, +)
    }
}

/// Runs `body` over parts of the rows in parallel, for loops that also sum over rows: each part adds to a zeroed buffer
/// of `width` floats, and the buffers are added to `total` in the order of the parts.
func parallelSum(
    rows: Int, width: Int, into total: UnsafeMutablePointer<Float>,
    _ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
) {
    let threads = ThreadPool.shared.threads
    guard threads > 1 else {
        if rows > 0 { body(0..<rows, total) }
        return
    }
    let partials = Tensor(repeating: 0, shape: [threads, width])
    let base = partials.pointer
    parallelParts(rows, grain: 1) { part, range in body(range, base + part * width) }
    for part in 0..<threads {
        for i in 0..<width { total[i] += base[part * width + i] }
    }
    withExtendedLifetime(partials) {}
}

extension Tensor {
    /// Adds the sum over the rows of this matrix to a single-precision vector, `[columns]`.
    func addColumnSum(to sum: Tensor) {
        let width = columns
        parallelSum(rows: rows, width: width, into: sum.pointer) { rows, sum in
            let first = rows.lowerBound * width
            switch elementType {
            case .float32: ck_column_sum(sum, pointer + first, Int64(rows.count), Int64(width))
            case .bfloat16: ck_narrow_column_sum(sum, bfloat16Pointer + first, Int64(rows.count), Int64(width))
            }
        }
    }

    /// Σ x², summed in double precision.
    package var sumOfSquares: Double {
        let from = pointer
        return parallelSum(count, grain: elementGrain) { ck_sum_of_squares(from + $0.lowerBound, Int64($0.count)) }
    }
}

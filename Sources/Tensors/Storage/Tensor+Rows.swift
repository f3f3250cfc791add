internal import CKernels
import Foundation

extension Tensor {
    /// The position of the largest value of every row of `[rows, columns]`; the first one among equals.
    package func argmaxOfRows() -> [Int32] {
        let maxima = Tensor(shape: [max(1, rows)])
        return [Int32](unsafeUninitializedCapacity: rows) { result, initialized in
            if rows > 0 {
                ck_argmax_rows(result.baseAddress, maxima.pointer, pointer, Int64(rows), Int64(columns))
            }
            initialized = rows
        }
    }

    /// exp(x) / Σ exp(x) over every row of `[rows, columns]`.
    package func softmaxOfRows() -> Tensor {
        let result = Tensor(shape: shape)
        for row in 0..<rows {
            let (from, to) = (pointer + row * columns, result.pointer + row * columns)
            var largest = -Float.infinity
            for column in 0..<columns { largest = max(largest, from[column]) }
            var sum = 0.0
            for column in 0..<columns {
                let power = exp(Double(from[column] - largest))
                to[column] = Float(power)
                sum += power
            }
            for column in 0..<columns { to[column] = Float(Double(to[column]) / sum) }
        }
        return result
    }
}

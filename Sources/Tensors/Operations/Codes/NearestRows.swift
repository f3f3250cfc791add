internal import CKernels
import System

// N points, K centroids, F features; ‖x − c‖² is smallest where x · c − ‖c‖²/2 is largest
//
//   label[n] = argmax_k  [x_n | 1] · [c_k | −‖c_k‖²/2]

/// Nearest-centroid search by matrix products.
///
/// Every score is summed in the order of the features, whatever the position of the centroid and on any processor:
/// equal centroids have equal scores. A BLAS library does not promise that; its kernels for the edges of a matrix add
/// in another order than those inside.
package struct NearestRows: Sendable {
    /// The centroids, `[clusters, features]`.
    package let centroids: Tensor
    /// The columns [c_k | −‖c_k‖²/2] as consecutive panels `[features + 1, width]` of up to three vectors side by side.
    private let panels: Tensor
    /// The number of columns in all panels: whole vectors. Copies of the first centroid fill the last one.
    private let columns: Int

    package init(_ centroids: Tensor) {
        let (clusters, features) = (centroids.rows, centroids.columns)
        self.centroids = centroids
        columns = (clusters + 15) / 16 * 16
        panels = Tensor(shape: [columns * (features + 1)])
        Self.forEachPanel(of: columns) { first, width in
            let panel = panels.pointer + first * (features + 1)
            for column in 0..<width {
                let from = centroids.pointer + (first + column < clusters ? first + column : 0) * features
                let to = panel + column
                var norm: Double = 0
                for f in 0..<features {
                    to[f * width] = from[f]
                    norm += Double(from[f]) * Double(from[f])
                }
                to[features * width] = Float(-norm / 2)
            }
        }
    }

    /// The nearest centroid of every point, the first of equals; points are `[points, features]`.
    package func indices(of points: Tensor) -> [Int32] {
        let (count, features, clusters) = (points.rows, points.columns, centroids.rows)
        invariant(features == centroids.columns, "\(features) features against \(centroids.columns)")
        return [Int32](unsafeUninitializedCapacity: count) { result, initialized in
            let result = result.baseAddress
            // The scores of a tile stay in the cache between product and maximum.
            let tile = max(1, min(64, 262_144 / columns))
            parallel(count, grain: tile) { range in
                let scores = Tensor(shape: [tile, columns])
                let rows = Tensor(repeating: 1, shape: [tile, features + 1])
                let maxima = Tensor(shape: [tile])
                for start in stride(from: range.lowerBound, to: range.upperBound, by: tile) {
                    let n = min(tile, range.upperBound - start)
                    for i in 0..<n {
                        (rows.pointer + i * (features + 1)).update(
                            from: points.pointer + (start + i) * features, count: features)
                    }
                    Self.forEachPanel(of: columns) { first, width in
                        ck_block_product(
                            scores.pointer + first, Int64(columns), ck_epilogue(), rows.pointer, Int64(features + 1), 1,
                            panels.pointer + first * (features + 1), Int64(width), Int64(n), Int64(width),
                            Int64(features + 1))
                    }
                    ck_argmax_rows(result! + start, maxima.pointer, scores.pointer, Int64(n), Int64(columns))
                    // A copy of the first centroid never wins; a score that is not a number selects the last column.
                    for i in start..<start + n { result![i] = min(result![i], Int32(clusters - 1)) }
                }
            }
            initialized = count
        }
    }

    /// Runs `body` for every panel: its first column and its width.
    private static func forEachPanel(of columns: Int, _ body: (_ first: Int, _ width: Int) -> Void) {
        var first = 0
        while first < columns {
            let width = 16 * Int(ck_tile_vectors(Int64(columns - first)))
            body(first, width)
            first += width
        }
    }
}

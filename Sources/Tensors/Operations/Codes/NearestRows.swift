internal import CKernels
import System

// N points, K centroids, F features; ‖x − c‖² is smallest where x · c − ‖c‖²/2 is largest
//
//   label[n] = argmax_k  [x_n | 1] · [c_k | −‖c_k‖²/2]
/// Centroids arranged so that the nearest one is found by a matrix product.
package struct NearestRows: Sendable {
    /// The centroids, `[clusters, features]`.
    package let centroids: Tensor
    private let augmented: Tensor

    package init(_ centroids: Tensor) {
        let (clusters, features) = (centroids.rows, centroids.columns)
        self.centroids = centroids
        augmented = Tensor(shape: [clusters, features + 1])
        for k in 0..<clusters {
            var norm: Double = 0
            for f in 0..<features {
                let value = centroids.pointer[k * features + f]
                augmented.pointer[k * (features + 1) + f] = value
                norm += Double(value) * Double(value)
            }
            augmented.pointer[k * (features + 1) + features] = Float(-norm / 2)
        }
    }

    /// The nearest centroid of every point, the first of equals; points are `[points, features]`.
    package func indices(of points: Tensor) -> [Int32] {
        let (count, features, clusters) = (points.rows, points.columns, centroids.rows)
        invariant(features == centroids.columns, "\(features) features against \(centroids.columns)")
        return [Int32](unsafeUninitializedCapacity: count) { result, initialized in
            let result = result.baseAddress
            // The scores of a tile stay in the cache between product and maximum.
            let tile = max(1, min(64, 262_144 / clusters))
            parallel(count, grain: tile) { range in
                let scores = Tensor(shape: [tile, clusters])
                let rows = Tensor(repeating: 1, shape: [tile, features + 1])
                let maxima = Tensor(shape: [tile])
                for start in stride(from: range.lowerBound, to: range.upperBound, by: tile) {
                    let n = min(tile, range.upperBound - start)
                    for i in 0..<n {
                        (rows.pointer + i * (features + 1)).update(
                            from: points.pointer + (start + i) * features, count: features)
                    }
                    multiply(
                        m: n, n: clusters, k: features + 1, Matrix(rows), .no, Matrix(augmented), .yes,
                        into: Matrix(scores))
                    ck_argmax_rows(result! + start, maxima.pointer, scores.pointer, Int64(n), Int64(clusters))
                }
            }
            initialized = count
        }
    }
}

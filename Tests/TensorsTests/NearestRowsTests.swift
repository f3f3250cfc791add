import Tensors
import Testing

@Suite struct NearestRowsTests {
    private func squaredDistances(_ point: [Double], _ centroids: Tensor) -> [Double] {
        Reference.rows(of: centroids.doubles, centroids.columns).map { row in
            zip(row, point).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        }
    }

    /// Sizes around those of tiles and vectors. Within rounding either of two equally near centroids is correct.
    @Test(arguments: [1, 2, 15, 16, 17, 33, 700], [1, 7]) func againstBruteForce(clusters: Int, features: Int) {
        let centroids = randomTensor([clusters, features], seed: 1)
        let nearest = NearestRows(centroids)
        for count in [0, 1, 63, 64, 65, 130] {
            let points = randomTensor([count, features], seed: UInt64(count), deviation: 1.5)
            let indices = nearest.indices(of: points)
            #expect(indices.count == count)
            for (point, index) in zip(Reference.rows(of: points.doubles, features), indices) {
                let distances = squaredDistances(point, centroids)
                #expect(
                    distances[Int(index)] <= distances.min()! + 1e-5 * (1 + point.reduce(0) { $0 + $1 * $1 }),
                    "\(clusters) clusters, \(count) points")
            }
        }
    }

    /// Integers, whose products are exact: the first of equally near centroids is selected, whatever its position.
    @Test(arguments: [2, 15, 16, 17, 33, 64, 257]) func equalsGoToTheLowestIndex(clusters: Int) {
        let values = randomIndices(clusters * 3, below: 3, seed: 1).map(Float.init)
        let centroids = Tensor(values, shape: [clusters, 3])
        let points = Tensor(randomIndices(100 * 3, below: 4, seed: 2).map(Float.init), shape: [100, 3])
        let expected = Reference.rows(of: points.doubles, 3).map { point in
            let distances = squaredDistances(point, centroids)
            return Int32(distances.firstIndex(of: distances.min()!)!)
        }
        #expect(NearestRows(centroids).indices(of: points) == expected)
    }

    /// Centroids may occur several times: copies with a higher index are never selected.
    @Test func copiesOfACentroidNeverWin() {
        let once = randomTensor([40, 7], seed: 1)
        let centroids = Tensor(once.array + once.array + once.array, shape: [120, 7])
        let points = randomTensor([500, 7], seed: 2)
        let indices = NearestRows(centroids).indices(of: points)
        #expect(indices == NearestRows(once).indices(of: points))
    }

    /// The result for a point does not depend on the other points, unless two centroids are equally near.
    @Test func companyDoesNotMatter() {
        let nearest = NearestRows(randomTensor([300, 7], seed: 1))
        let points = randomTensor([200, 7], seed: 2)
        let together = nearest.indices(of: points)
        for start in [1, 7, 63, 101] {
            #expect(nearest.indices(of: points.rows(start..<200)) == Array(together[start...]))
        }
        for row in stride(from: 0, to: 200, by: 17) {
            #expect(nearest.indices(of: points.rows(row..<row + 1)) == [together[row]])
        }
    }
}

import Foundation
import Jets
import MPI
import System
import Tensors

/// k-means clustering (Lloyd, IEEE Trans. Inf. Theory 28, 129, 1982) of points distributed over the ranks.
///
/// The points are summed in fixed point, so that the result has the same bits on any number of ranks.
package enum KMeans {
    /// The points of one rank.
    package struct Sample {
        /// `[points, features]`.
        package var values: Tensor
        /// A random word for each point, keyed by the constituent; the points with the lowest words become the initial
        /// centroids.
        package var words: [UInt64]

        package init(values: Tensor, words: [UInt64]) {
            invariant(values.rows == words.count, "one word for each point")
            self.values = values
            self.words = words
        }

        /// The features of a point.
        func point(_ index: Int) -> [Float] { values.rows(index..<index + 1).array }
    }

    /// Centroids and the quality of the fit.
    package struct Fit {
        /// `[clusters, features]`.
        package let centroids: Tensor
        /// Σ ‖x − c(x)‖² over the points of all ranks, for the centroids before the last update.
        package let inertia: Double
        /// Number of points on all ranks.
        package let points: Int
        /// Number of points in each cluster in the last iteration.
        package let occupancy: [Int]
        /// Number of reseeded empty clusters, over all iterations.
        package let reseeded: Int
    }

    /// Fixed-point steps per unit, 2³²: 2.6 · 10⁸ features of magnitude below 8 can be summed without overflow.
    private static let resolution = 4_294_967_296.0

    /// This rank's constituents of the first `jets` jets of epoch 0, rounded up to whole batches; collective.
    ///
    /// - Parameter points: maps a batch to one row for each constituent; by default to the features.
    package static func sample(
        jets: Int, from loader: JetLoader, on communicator: Communicator, points: (JetBatch) -> Tensor = { $0.values }
    ) throws -> Sample {
        try communicator.agree {
            var values: [Float] = []
            var width = loader.preprocessing.features.count
            var words: [UInt64] = []
            for step in loader.steps(ofFirst: jets) {
                let batch = try loader.batch(epoch: 0, step: step)
                let rows = points(batch)
                width = rows.columns
                withExtendedLifetime(rows) { values.append(contentsOf: rows.buffer) }
                for (position, jet) in batch.jets.enumerated() {
                    for constituent in 0..<batch.offsets[position].count {
                        var random = RandomSequence(
                            RandomKey(
                                seed: loader.order.seed, stream: .clustering, jet: jet, constituent: constituent))
                        words.append(random.next())
                    }
                }
            }
            return Sample(values: Tensor(values, shape: [values.count / width, width]), words: words)
        }
    }

    /// Finds centroids, starting from random distinct points; collective. Throws `AgreedError` if there are too few.
    ///
    /// - Parameter advice: the remedy for too few points, for the message.
    package static func fit(
        _ sample: Sample, clusters: Int, iterations: Int, advice: String = "fit it to more jets or ask for fewer",
        on communicator: Communicator
    ) throws -> Fit {
        let initial = try distinctPoints(sample, count: clusters, advice: advice, on: communicator)
        return try lloyd(sample, initial: initial, iterations: iterations, on: communicator)
    }

    /// Runs Lloyd iterations: every centroid becomes the mean of the points nearest to it. Collective.
    ///
    /// Empty clusters are reseeded as in k-means++ (Arthur and Vassilvitskii, SODA 2007): at a point drawn with a
    /// probability proportional to its squared distance from the nearest centroid.
    package static func lloyd(
        _ sample: Sample, initial: Tensor, iterations: Int, on communicator: Communicator
    ) throws -> Fit {
        let (points, clusters, features) = (sample.values, initial.rows, initial.columns)
        let total = try communicator.allReduce(points.rows)
        var centroids = initial
        var inertia = 0.0
        var occupancy = [Int](repeating: 0, count: clusters)
        var reseeded = 0
        for iteration in 0..<iterations {
            let labels = NearestRows(centroids).indices(of: points)
            var sums = [Int64](repeating: 0, count: clusters * features)
            var counts = [Int64](repeating: 0, count: clusters)
            var squares = [Int64](repeating: 0, count: 1)
            var distances = [Double](repeating: 0, count: points.rows)
            for (point, label) in labels.enumerated() {
                let (x, c) = (points.pointer + point * features, centroids.pointer + Int(label) * features)
                counts[Int(label)] += 1
                var distance = 0.0
                for f in 0..<features {
                    sums[Int(label) * features + f] += Int64((Double(x[f]) * resolution).rounded())
                    distance += Double(x[f] - c[f]) * Double(x[f] - c[f])
                }
                squares[0] += Int64((distance * 65536).rounded())
                distances[point] = distance
            }
            let reduced = try communicator.allReduce(sums + counts + squares)
            let updated = Tensor(shape: initial.shape)
            for k in 0..<clusters {
                let count = Double(reduced[clusters * features + k])
                occupancy[k] = Int(count)
                for f in 0..<features {
                    let i = k * features + f
                    updated.pointer[i] =
                        count == 0
                        ? centroids.pointer[i] : Float(Double(reduced[i]) / resolution / count)
                }
            }
            inertia = Double(reduced[reduced.count - 1]) / 65536
            centroids = updated
            let empty = occupancy.indices.filter { occupancy[$0] == 0 }
            guard !empty.isEmpty else { continue }
            let drawn = try draw(
                empty.count, from: sample, distances: distances, iteration: iteration, on: communicator)
            for (k, point) in zip(empty, 0..<drawn.rows) {
                (centroids.pointer + k * features).update(from: drawn.pointer + point * features, count: features)
            }
            reseeded += drawn.rows
        }
        return Fit(
            centroids: centroids, inertia: inertia, points: total, occupancy: occupancy, reseeded: reseeded)
    }

    /// Draws up to `count` distinct points with probabilities proportional to their squared distances d²; the same on
    /// every rank. Collective.
    ///
    /// Weighted sampling without replacement: the points with the lowest −ln u / d², where the uniform number u depends
    /// on the point's word and the iteration (Efraimidis and Spirakis, Inf. Process. Lett. 97, 181, 2006).
    private static func draw(
        _ count: Int, from sample: Sample, distances: [Double], iteration: Int, on communicator: Communicator
    ) throws -> Tensor {
        let points = distances.indices.filter { distances[$0] > 0 }
        let priorities = points.map { point in
            var random = RandomSequence(RandomKey(seed: sample.words[point], stream: .clustering, epoch: iteration))
            return -log(1 - random.uniform64()) / distances[point]
        }
        return try communicator.lowestRows(
            keys: priorities, width: sample.values.columns, count: count, distinct: true
        ) { sample.point(points[$0]) }
    }

    /// The `count` distinct points with the lowest words, `[count, features]`.
    private static func distinctPoints(
        _ sample: Sample, count: Int, advice: String, on communicator: Communicator
    ) throws -> Tensor {
        let lowest = try communicator.lowestRows(
            keys: sample.words, width: sample.values.columns, count: count, distinct: true, row: sample.point)
        try communicator.agree {
            guard lowest.rows == count else {
                throw ObjectiveError(
                    "k-means with \(count) clusters needs as many distinct constituents, but the jets it is fitted to "
                        + "have only \(lowest.rows) distinct ones; \(advice)")
            }
        }
        return lowest
    }
}

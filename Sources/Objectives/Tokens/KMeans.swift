import Foundation
import Jets
import MPI
import System
import Tensors

/// k-means clustering (Lloyd, 1982) of points that are spread over the ranks; the result is the same to the
/// bit on any number of ranks, because the sums of the points are taken in fixed point.
package enum KMeans {
    /// The points of one rank, `[points, features]`, each with a number that depends on the constituent
    /// alone.
    package struct Sample {
        package var values: Tensor
        /// Random words; the points with the lowest become the first centroids.
        package var words: [UInt64]

        package init(values: Tensor, words: [UInt64]) {
            invariant(values.rows == words.count, "one word a point")
            self.values = values
            self.words = words
        }
    }

    /// Centroids and how well they fit.
    package struct Fit {
        /// `[clusters, features]`.
        package let centroids: Tensor
        /// Σ ‖x − c(x)‖² over the points of all ranks, for the centroids before the last update.
        package let inertia: Double
        /// Points of all ranks.
        package let points: Int
        /// How many points chose each cluster in the last iteration.
        package let occupancy: [Int]
        /// Clusters that were empty after an iteration and began anew, over all iterations.
        package let reseeded: Int
    }

    /// 2³² steps a unit: features of magnitude below 8 may be summed over 2.6 · 10⁸ points.
    private static let resolution = 4_294_967_296.0

    /// The constituents of about `jets` jets in the order of training, this rank's part of them.
    ///
    /// - Parameter points: what stands for the constituents of a batch, a row each; their features unless given.
    package static func sample(
        jets: Int, from loader: JetLoader, on communicator: Communicator, points: (JetBatch) -> Tensor = { $0.values }
    ) throws -> Sample {
        try communicator.agree {
            var values: [Float] = []
            var width = loader.preprocessing.features.count
            var words: [UInt64] = []
            let steps = min(loader.stepsPerEpoch, (jets + loader.order.batchSize - 1) / loader.order.batchSize)
            for step in 0..<steps {
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

    /// Finds centroids from random distinct points; collective. Throws `AgreedError` where there are too few.
    ///
    /// - Parameter advice: what a user can do about too few points.
    package static func fit(
        _ sample: Sample, clusters: Int, iterations: Int, seed: UInt64,
        advice: String = "fit it to more jets or ask for fewer", on communicator: Communicator
    ) throws -> Fit {
        let initial = try distinctPoints(sample, count: clusters, advice: advice, on: communicator)
        return try lloyd(
            sample.values, initial: initial, iterations: iterations, words: sample.words, on: communicator)
    }

    /// Runs Lloyd iterations: every centroid becomes the mean of the points that are nearest to it.
    /// Collective.
    ///
    /// - Parameter words: a random word for every point, from which centroids without points begin anew as in k-means++
    ///   (Arthur and Vassilvitskii, 2007): at a point that is drawn with a probability like its squared distance from
    ///   the nearest centroid. Without words they stay.
    package static func lloyd(
        _ points: Tensor, initial: Tensor, iterations: Int, words: [UInt64]? = nil, on communicator: Communicator
    ) throws -> Fit {
        let (clusters, features) = (initial.rows, initial.columns)
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
                    updated.pointer[i] = count == 0
                        ? centroids.pointer[i] : Float(Double(reduced[i]) / resolution / count)
                }
            }
            inertia = Double(reduced[reduced.count - 1]) / 65536
            centroids = updated
            let empty = occupancy.indices.filter { occupancy[$0] == 0 }
            guard let words, !empty.isEmpty else { continue }
            let drawn = try draw(
                empty.count, from: points, distances: distances, words: words, iteration: iteration, on: communicator)
            for (k, point) in zip(empty, drawn) {
                for f in 0..<features { centroids.pointer[k * features + f] = point[f] }
                reseeded += 1
            }
        }
        return Fit(
            centroids: centroids, inertia: inertia, points: total, occupancy: occupancy, reseeded: reseeded)
    }

    /// Distinct points, `count` where there are as many, drawn with probabilities like their squared
    /// distances; the same on every rank. Collective.
    ///
    /// Those with the lowest −ln u / d² are taken, u uniform from the point's word and the iteration
    /// (Efraimidis and Spirakis, Inf. Process. Lett. 97, 181, 2006).
    private static func draw(
        _ count: Int, from points: Tensor, distances: [Double], words: [UInt64], iteration: Int,
        on communicator: Communicator
    ) throws -> [[Float]] {
        let features = points.columns
        let own = distances.indices.filter { distances[$0] > 0 }.map { point in
            var random = RandomSequence(RandomKey(seed: words[point], stream: .clustering, epoch: iteration))
            return (priority: -log(1 - random.uniform64()) / distances[point], point: point)
        }.sorted { $0.priority < $1.priority }.prefix(count)
        let priorities = try communicator.allGather(own.map(\.priority)).flatMap { $0 }
        let rows = try communicator.allGather(
            own.flatMap { Array(points.rows($0.point..<$0.point + 1).buffer) }
        ).flatMap { $0 }
        var seen: Set<[Float]> = []
        var drawn: [[Float]] = []
        for i in priorities.indices.sorted(by: { priorities[$0] < priorities[$1] }) where drawn.count < count {
            let row = Array(rows[i * features..<(i + 1) * features])
            if seen.insert(row).inserted { drawn.append(row) }
        }
        return drawn
    }

    /// The points with the lowest words, no two alike.
    private static func distinctPoints(
        _ sample: Sample, count: Int, advice: String, on communicator: Communicator
    ) throws -> Tensor {
        let features = sample.values.columns
        var own: Set<[Float]> = []
        var lowest: [Int] = []
        for i in sample.words.indices.sorted(by: { sample.words[$0] < sample.words[$1] }) where own.count < count {
            if own.insert(Array(sample.values.rows(i..<i + 1).buffer)).inserted { lowest.append(i) }
        }
        let words = try communicator.gather(lowest.map { sample.words[$0] })
        let rows = try communicator.gather(
            lowest.flatMap { Array(sample.values.rows($0..<$0 + 1).buffer) })
        let chosen = try communicator.onRoot {
            let (words, rows) = (Array(words!.joined()), Array(rows!.joined()))
            var seen: Set<[Float]> = []
            var chosen: [Float] = []
            for i in words.indices.sorted(by: { words[$0] < words[$1] }) where seen.count < count {
                let row = Array(rows[i * features..<(i + 1) * features])
                if seen.insert(row).inserted { chosen += row }
            }
            guard seen.count == count else {
                throw ObjectiveError(
                    "k-means wants \(count) clusters, but the jets that it is fitted to have only \(seen.count) "
                        + "distinct constituents; \(advice)")
            }
            return chosen
        }
        return Tensor(try communicator.broadcast(chosen ?? []), shape: [count, features])
    }
}

import Foundation
import Jets
import MPI
import Objectives
import Tensors
import TestSupport
import Testing

/// The ranks of this test run: those of `mpirun`, or a single one. The duplicated communicator separates these tests
/// from others in the same process.
private let world: Communicator = {
    startMPI()
    do {
        return try Communicator.world.duplicate()
    } catch {
        fatalError("the tests need MPI: \(error)")
    }
}()

/// Collective tests: all ranks run the same one at a time. They pass with any number of ranks.
@Suite(.serialized) struct KMeansMPITests {
    private static let features = 7

    /// Points around a few centres, each with a random word; the same on every rank.
    private func points(_ count: Int) -> (values: [Float], words: [UInt64]) {
        var random = RandomSequence(RandomKey(seed: 11, stream: .sampling))
        var (values, words) = ([Float](), [UInt64]())
        for _ in 0..<count {
            let center = Float(random.below(9)) - 4
            for _ in 0..<Self.features { values.append(center + random.normal()) }
            words.append(random.next())
        }
        return (values, words)
    }

    private func sample(_ points: (values: [Float], words: [UInt64]), _ part: Range<Int>) -> KMeans.Sample {
        let width = Self.features
        return KMeans.Sample(
            values: Tensor(
                Array(points.values[part.lowerBound * width..<part.upperBound * width]),
                shape: [part.count, width]),
            words: Array(points.words[part]))
    }

    private func expectSame(_ a: KMeans.Fit, _ b: KMeans.Fit, location: SourceLocation = #_sourceLocation) {
        #expect(
            a.centroids.array.map(\.bitPattern) == b.centroids.array.map(\.bitPattern),
            sourceLocation: location)
        #expect(a.inertia == b.inertia && a.points == b.points, sourceLocation: location)
        #expect(a.occupancy == b.occupancy && a.reseeded == b.reseeded, sourceLocation: location)
    }

    /// The centroids have the same bits with points in even or uneven parts, or all on one rank.
    @Test func aFitIsTheSameForAnyNumberOfRanks() throws {
        let count = 6007
        let all = points(count)
        let single = try KMeans.fit(sample(all, 0..<count), clusters: 60, iterations: 12, on: alone)
        #expect(single.points == count && single.centroids.shape == [60, Self.features])
        let (rank, size) = (world.rank, world.size)
        // Shares of 1 : 2 : 3 …
        let total = size * (size + 1) / 2
        let uneven = count * (rank * (rank + 1) / 2) / total..<count * ((rank + 1) * (rank + 2) / 2) / total
        let last = rank == size - 1 ? 0..<count : 0..<0
        for part in [Communicator.share(of: count, rank: rank, size: size), uneven, last] {
            expectSame(
                try KMeans.fit(sample(all, part), clusters: 60, iterations: 12, on: world), single)
        }
    }

    /// From files: the ranks read their parts of the batches.
    @Test func aFitToJetsIsTheSameForAnyNumberOfRanks() throws {
        let loader = try SampleJets.loader(batchSize: 64)
        func fit(rank: Int, size: Int, on communicator: Communicator) throws -> KMeans.Fit {
            let part = JetLoader(
                dataset: loader.dataset, preprocessing: loader.preprocessing, order: .init(batchSize: 64, seed: 5),
                rank: rank, size: size)
            let sample = try KMeans.sample(jets: 200, from: part, on: communicator)
            return try KMeans.fit(sample, clusters: 50, iterations: 8, on: communicator)
        }
        let single = try fit(rank: 0, size: 1, on: alone)
        let shared = try fit(rank: world.rank, size: world.size, on: world)
        expectSame(shared, single)
        // Four batches of 64 jets.
        #expect(single.points > 4 * 64 * 5)
    }

    /// Each iteration reduces the distances, and a centroid is the mean of its points.
    @Test func iterationsImproveTheFit() throws {
        let all = points(1501)
        let part = sample(all, world.share(of: 1501))
        var inertias: [Double] = []
        for iterations in 1...6 {
            inertias.append(
                try KMeans.fit(part, clusters: 20, iterations: iterations, on: world).inertia)
        }
        #expect(zip(inertias, inertias.dropFirst()).allSatisfy { $0 >= $1 })
        #expect(inertias[5] < 0.95 * inertias[0])

        let fit = try KMeans.lloyd(
            part, initial: Tensor(repeating: 0, shape: [1, Self.features]), iterations: 1, on: world)
        for feature in 0..<Self.features {
            let mean =
                stride(from: feature, to: all.values.count, by: Self.features)
                .reduce(0) { $0 + Double(all.values[$1]) } / 1501
            #expect(abs(Double(fit.centroids.buffer[feature]) - mean) < 1e-6)
        }
    }

    /// An empty cluster is reseeded at a point, independent of the distribution of the points over the ranks.
    @Test func emptyClustersAreReseeded() throws {
        let all = points(300)
        let far = [Float](repeating: 1000, count: Self.features)
        let centers = far + [Float](repeating: 0, count: Self.features) + far
        let initial = Tensor(centers, shape: [3, Self.features])
        func fit(_ part: KMeans.Sample, _ iterations: Int, on communicator: Communicator) throws -> KMeans.Fit {
            try KMeans.lloyd(part, initial: initial, iterations: iterations, on: communicator)
        }
        let part = sample(all, world.share(of: 300))
        let first = try fit(part, 1, on: world)
        #expect(first.reseeded == 2 && first.occupancy == [0, 300, 0])
        let rows = Set((0..<300).map { Array(all.values[$0 * Self.features..<($0 + 1) * Self.features]) })
        for k in [0, 2] { #expect(rows.contains(first.centroids.rows(k..<k + 1).array)) }
        #expect(first.centroids.rows(0..<1).array != first.centroids.rows(2..<3).array)
        #expect(initial.array == centers, "the argument is not changed")
        let later = try fit(part, 5, on: world)
        #expect(later.reseeded == 2 && !later.occupancy.contains(0))
        #expect(later.inertia < 0.7 * first.inertia)
        expectSame(later, try fit(sample(all, 0..<300), 5, on: alone))
    }

    /// Empty clusters are reseeded at distinct points, of which each may occur many times on one rank.
    @Test func emptyClustersAreReseededAtDistinctPoints() throws {
        let width = Self.features
        let (distinct, count) = (points(8).values, 400)
        var all = points(count)
        all.values = (0..<count).flatMap { Array(distinct[$0 / 50 * width..<($0 / 50 + 1) * width]) }
        let far = (0..<5 * width).map { Float(1000 + $0) }
        let initial = Tensor([Float](repeating: 0, count: width) + far, shape: [6, width])
        let single = try KMeans.lloyd(sample(all, 0..<count), initial: initial, iterations: 1, on: alone)
        #expect(single.occupancy == [count, 0, 0, 0, 0, 0] && single.reseeded == 5)
        let reseeded = Set((1..<6).map { single.centroids.rows($0..<$0 + 1).array })
        #expect(reseeded.count == 5)
        #expect(reseeded.isSubset(of: (0..<8).map { Array(distinct[$0 * width..<($0 + 1) * width]) }))
        expectSame(
            try KMeans.lloyd(sample(all, world.share(of: count)), initial: initial, iterations: 1, on: world), single)
    }

    /// Equal points count once; every rank throws the same error.
    @Test func tooFewDistinctPoints() throws {
        let (rank, size) = (world.rank, world.size)
        let rows = (0..<10).flatMap { point in [Float](repeating: Float((rank + size * point) % 4), count: 7)
        }
        let sample = KMeans.Sample(
            values: Tensor(rows, shape: [10, 7]), words: (0..<10).map { UInt64(rank + size * $0) })
        let message = failure {
            _ = try KMeans.fit(sample, clusters: 5, iterations: 1, advice: "raise a or lower b", on: world)
        }
        #expect(message.contains("k-means with 5 clusters"))
        #expect(message.contains("only 4 distinct"))
        #expect(message.hasSuffix("; raise a or lower b"))
        #expect(try world.allGather(message) == [String](repeating: message, count: size))
        // Just enough distinct points.
        let fit = try KMeans.fit(sample, clusters: 4, iterations: 2, on: world)
        #expect(fit.inertia == 0 && !fit.occupancy.contains(0))
        #expect(fit.centroids.array.sorted() == (0..<28).map { Float($0 / 7) })
    }

    /// No points on any rank.
    @Test func noPoints() throws {
        let sample = KMeans.Sample(values: Tensor(shape: [0, 7]), words: [])
        let message = failure { _ = try KMeans.fit(sample, clusters: 2, iterations: 1, on: world) }
        #expect(message.contains("only 0 distinct"))
    }
}

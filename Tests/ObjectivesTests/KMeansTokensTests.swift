import Foundation
import HDF5
import Jets
import Models
import NN
import Objectives
import Tensors
import TestSupport
import Testing

@Suite struct KMeansTokensTests {
    private func task(clusters: Int = 16, features: Int = 7) -> KMeansTokens {
        var options = fewClusters()
        options.clusters = clusters
        let builder = ParameterBuilder()
        let task = KMeansTokens(options, width: 8, features: features, seed: 5, in: builder.root)
        _ = builder.build(seed: 1)
        return task
    }

    private func withScratchFile<R>(_ body: (String) throws -> R) throws -> R {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(
            "kaon-\(UUID().uuidString).h5"
        ).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }

    private func save(_ task: KMeansTokens, to path: String) throws {
        let file = try File(creating: path)
        try task.state.save(to: file.root)
        try file.close()
    }

    private func load(_ task: KMeansTokens, from path: String) throws {
        let file = try File(opening: path)
        try task.restore(ObjectiveState(from: file.root))
    }

    /// The centroids come back to the bit, and with them the tokens.
    @Test func centroidsAreSavedAndLoaded() throws {
        let task = task()
        #expect(task.centroids == nil)
        var lines: [String] = []
        try task.fit(to: try SampleJets.loader(), on: alone) { lines.append($0) }
        let centroids = try #require(task.centroids)
        #expect(centroids.shape == [16, 7])
        #expect(lines.count == 1 && lines[0].hasPrefix("k-means: 16 centroids of "), "\(lines)")
        try withScratchFile { path in
            try save(task, to: path)
            let other = self.task()
            try load(other, from: path)
            #expect(other.centroids?.array.map(\.bitPattern) == centroids.array.map(\.bitPattern))

            let jets = Constituents(try SampleJets.batch())
            let decoded = Variable(constant: Tensor(repeating: 0.5, shape: [jets.offsets.tokens, 8]))
            let losses = [task, other].map { $0.loss(decoded, jets, scale: 1, on: Tape(recording: false)) }
            #expect(losses[0] == losses[1])
        }
    }

    /// A checkpoint of other settings is refused in words that tell both.
    @Test func anotherShapeIsAnError() throws {
        let task = task()
        task.centroids = syntheticBatch([16]).values
        try withScratchFile { path in
            try save(task, to: path)
            let more = failure { try load(self.task(clusters: 17), from: path) }
            #expect(more.contains("'centroids' has shape [16, 7]"))
            #expect(more.contains("tasks.kmeans asks for 17 clusters of 7 features"))
            #expect(
                failure { try load(self.task(features: 6), from: path) }.contains("16 clusters of 6 features")
            )
        }
    }

    /// Nothing to save before the fit, and nothing to load from such a file.
    @Test func withoutAFit() throws {
        try withScratchFile { path in
            try save(task(), to: path)
            #expect(failure { try load(task(), from: path) }.contains("centroids"))
        }
    }

    @Test func tokensBeforeTheFitAreABug() async {
        await #expect(processExitsWith: .failure) {
            let builder = ParameterBuilder()
            let task = KMeansTokens(.init(), width: 8, features: 7, seed: 5, in: builder.root)
            _ = builder.build(seed: 1)
            let jets = Constituents(syntheticBatch([3]))
            let decoded = Variable(constant: Tensor(repeating: 0.5, shape: [3, 8]))
            _ = task.loss(decoded, jets, scale: 1, on: Tape())
        }
    }

    /// The target is the nearest centroid: a head that is right beyond doubt has no loss.
    @Test func theTargetIsTheNearestCentroid() {
        var options = fewClusters()
        options.clusters = 3
        let builder = ParameterBuilder()
        let task = KMeansTokens(options, width: 3, features: 2, seed: 5, in: builder.root)
        let store = builder.build(seed: 1)
        task.centroids = Tensor([0, 0, 5, 5, -5, 5], shape: [3, 2])
        // The head is 100 times the identity.
        for parameter in store.parameters {
            for i in 0..<parameter.range.count {
                parameter.variable.value.buffer[i] = parameter.shape.count == 2 && i % 4 == 0 ? 100 : 0
            }
        }
        let jets = Constituents(
            values: Tensor([4, 6, -1, 0, -3, 3], shape: [3, 2]), identities: [0, 0, 0],
            offsets: Offsets(counts: [3]))
        let right = Variable(constant: Tensor([0, 1, 0, 1, 0, 0, 0, 0, 1], shape: [3, 3]))
        let wrong = Variable(constant: Tensor([1, 0, 0, 1, 0, 0, 0, 0, 1], shape: [3, 3]))
        #expect(abs(task.loss(right, jets, scale: 1, on: Tape(recording: false))) < 1e-6)
        #expect(abs(task.loss(wrong, jets, scale: 1, on: Tape(recording: false)) - 100) < 1e-3)
        #expect(task.count(jets) == 3)
    }
}

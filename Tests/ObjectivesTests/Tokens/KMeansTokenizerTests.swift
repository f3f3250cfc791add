import Foundation
import HDF5
import Models
import NN
import Objectives
import Tensors
import TestSupport
import Testing

@Suite struct KMeansTokenizerTests {
    private func tokenizer(clusters: Int = 16, features: Int = 7) -> KMeansTokenizer {
        var options = fewClusters().tokens
        options.clusters = clusters
        return KMeansTokenizer(options, features: features)
    }

    private func withScratchFile<R>(_ body: (String) throws -> R) throws -> R {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(
            "kaon-\(UUID().uuidString).h5"
        ).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }

    private func save(_ tokenizer: KMeansTokenizer, to path: String) throws {
        let file = try File(creating: path)
        try tokenizer.state.save(to: file.root)
        try file.close()
    }

    private func load(_ tokenizer: KMeansTokenizer, from path: String) throws {
        let file = try File(opening: path)
        try tokenizer.restore(ObjectiveState(from: file.root))
    }

    /// The restored centroids have the same bits and give the same tokens.
    @Test func centroidsAreSavedAndLoaded() throws {
        let tokenizer = tokenizer()
        #expect(tokenizer.centroids == nil)
        var lines: [String] = []
        try tokenizer.fit(to: try SampleJets.loader(), on: alone) { lines.append($0) }
        let centroids = try #require(tokenizer.centroids)
        #expect(centroids.shape == [16, 7])
        #expect(lines.count == 2 && lines[0].hasPrefix("k-means: 16 centroids of "), "\(lines)")
        try withScratchFile { path in
            try save(tokenizer, to: path)
            let other = self.tokenizer()
            try load(other, from: path)
            #expect(other.centroids?.array.map(\.bitPattern) == centroids.array.map(\.bitPattern))
            let jets = Constituents(try SampleJets.batch())
            #expect(tokenizer.tokens(of: jets) == other.tokens(of: jets))
        }
    }

    /// The error for a checkpoint with other settings names both shapes.
    @Test func anotherShapeIsAnError() throws {
        let tokenizer = tokenizer()
        tokenizer.centroids = syntheticBatch([16]).values
        try withScratchFile { path in
            try save(tokenizer, to: path)
            let more = failure { try load(self.tokenizer(clusters: 17), from: path) }
            #expect(more.contains("'centroids' has shape [16, 7]"))
            #expect(more.contains("tasks.kmeans requires 17 clusters of 7 features"))
            #expect(
                failure { try load(self.tokenizer(features: 6), from: path) }.contains("16 clusters of 6 features")
            )
        }
    }

    /// The state before the fit is empty and cannot be restored.
    @Test func withoutAFit() throws {
        try withScratchFile { path in
            try save(tokenizer(), to: path)
            #expect(failure { try load(tokenizer(), from: path) }.contains("centroids"))
        }
    }

    @Test func tokensBeforeTheFitAreABug() async {
        await #expect(processExitsWith: .failure) {
            let tokenizer = KMeansTokenizer(.init(), features: 7)
            _ = tokenizer.tokens(of: Constituents(syntheticBatch([3])))
        }
    }

    /// The target is the nearest centroid: a confident and correct head has no loss.
    @Test func theTargetIsTheNearestCentroid() {
        let tokenizer = tokenizer(clusters: 3, features: 2)
        let builder = ParameterBuilder()
        let task = TokenClassification(
            "kmeans", .init(labelSmoothing: 0), of: tokenizer, width: 3, samplingBlock: 128, in: builder.root)
        let store = builder.build(seed: 1)
        tokenizer.centroids = Tensor([0, 0, 5, 5, -5, 5], shape: [3, 2])
        // The head is 100 times the identity.
        for parameter in store.parameters {
            for i in 0..<parameter.range.count {
                parameter.variable.value.buffer[i] = parameter.shape.count == 2 && i % 4 == 0 ? 100 : 0
            }
        }
        let constituents = Constituents(
            values: Tensor([4, 6, -1, 0, -3, 3], shape: [3, 2]), identities: [0, 0, 0], offsets: Offsets(counts: [3]))
        let jets = MaskedJets(batch(constituents), mask: [true, true, true], phase: .validation, seed: 0)
        let right = Variable(constant: Tensor([0, 1, 0, 1, 0, 0, 0, 0, 1], shape: [3, 3]))
        let wrong = Variable(constant: Tensor([1, 0, 0, 1, 0, 0, 0, 0, 1], shape: [3, 3]))
        #expect(abs(task.loss(right, jets, scale: 1, on: Tape(recording: false))) < 1e-6)
        #expect(abs(task.loss(wrong, jets, scale: 1, on: Tape(recording: false)) - 100) < 1e-3)
        #expect(task.count(jets) == 3)
    }
}

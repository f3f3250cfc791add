import Foundation
import Jets
import Models
import Objectives
import Tensors
import TestSupport

/// Simulated jets from the sample files, no more than 20 constituents each.
enum SampleJets {
    static let maxConstituents = 20

    /// Jets with quantile preprocessing, in batches of 50; read by one rank.
    static func loader(batchSize: Int = 50) throws -> JetLoader {
        JetLoader(
            dataset: try dataset.get(), preprocessing: try preprocessing.get(),
            order: .init(batchSize: batchSize, seed: 5, shuffle: false))
    }

    /// The first 32 jets.
    static func batch() throws -> JetBatch { try loader().batch(jets: Array(0..<32), epoch: 0) }

    private static let dataset = Result {
        try JetDataset(paths: [sample("val")], reading: JetReading(maxConstituents: maxConstituents), on: alone)
    }
    private static let preprocessing = Result {
        try QuantilePreprocessing.fit(try dataset.get(), jets: 500, quantiles: 50, on: alone)
    }
}

/// Synthetic jets with the given numbers of constituents, without files and MPI.
func syntheticBatch(_ counts: [Int], firstJet: Int = 0) -> JetBatch {
    let offsets = Offsets(counts: counts)
    var random = RandomSequence(RandomKey(seed: 7, stream: .sampling))
    let values = Tensor((0..<offsets.tokens * 7).map { _ in random.normal() }, shape: [offsets.tokens, 7])
    return JetBatch(
        jets: Array(firstJet..<firstJet + counts.count), epoch: 0, offsets: offsets, values: values,
        identities: (0..<offsets.tokens).map { _ in Int32(random.below(8)) },
        labels: [Int32](repeating: 0, count: counts.count))
}

/// A batch of the given constituents.
func batch(_ jets: Constituents) -> JetBatch {
    JetBatch(
        jets: Array(0..<jets.offsets.jets), epoch: 0, offsets: jets.offsets, values: jets.values,
        identities: jets.identities, labels: [Int32](repeating: 0, count: jets.offsets.jets))
}

/// A small model without tasks, whose residual branches contribute from the start.
func smallOptions() -> MaskedParticleOptions {
    var options = MaskedParticleOptions()
    options.encoder = TransformerShape(width: 48, layers: 2, heads: 4, registers: 2, layerScale: 0.5)
    options.decoder = TransformerShape(width: 32, layers: 1, heads: 2, layerScale: 0.5, finalNorm: false)
    options.tasks = ReconstructionTasks([])
    return options
}

/// k-means options of few clusters.
func fewClusters() -> KMeansTaskOptions {
    var options = KMeansTaskOptions()
    options.tokens.clusters = 16
    options.tokens.iterations = 5
    options.tokens.fitJets = 100
    options.task.labelSmoothing = 0
    return options
}

/// A VQ-VAE of few codes.
func fewCodes() -> VQVAETraining.Options {
    let blocks = NormformerShape(width: 48, layers: 2, heads: 4, hidden: 48, dropout: 0)
    var options = VQVAETraining.Options()
    options.model.encoder = blocks
    options.model.decoder = blocks
    options.model.quantiser = VectorQuantiser.Shape(codes: 48, dimension: 8)
    options.fitJets = 100
    return options
}

extension MaskedParticleModelling {
    /// Sets the weights of the VQ-VAE, if there is one, to an untrained VQ-VAE with fitted codes.
    func useFittedTokenizer(_ options: VQVAETraining.Options, _ jets: JetShape) throws {
        guard let weights = tokenizerParameters else { return }
        let trained = VQVAETraining(options, jets, seed: 3)
        try trained.fit(to: SampleJets.loader(), on: alone) { _ in }
        weights.values.pointer.update(from: trained.parameters.values.pointer, count: weights.values.count)
    }

    /// The tokenizer of the task `kmeans`.
    var kmeans: KMeansTokenizer? {
        tasks.lazy.compactMap { ($0 as? TokenClassification)?.tokenizer as? KMeansTokenizer }.first
    }
}

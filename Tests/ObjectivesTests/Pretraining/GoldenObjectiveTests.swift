import Golden
import Jets
import MPI
import Models
import Objectives
import Tensors
import Testing

@Suite("Golden objectives")
struct GoldenObjectiveTests {
    private func expect(
        _ actual: [Float], _ key: String, in file: GoldenFile, precision: Precision = .single
    ) throws {
        let error = try precision.error(actual, file.floats(key))
        #expect(error <= precision.goldenTolerance, "\(key) is off by \(error)")
    }

    /// The whole of version 2: the loss, every task, every gradient, and the encoding of the unmasked jets.
    @Test(arguments: Precision.tested) func maskedParticleModelV2(precision: Precision) throws {
        let file = try GoldenFile("mpm_v2")
        let jets = try Constituents(
            values: file.tensor("in.csts"), identities: file.indices("in.csts_id"), offsets: file.offsets())
        let centroids = try file.tensor("in.centroids")
        var options = MaskedParticleOptions()
        options.encoder = try TransformerShape(
            width: file.integer("encoder_width"), layers: file.integer("layers"), heads: file.integer("heads_encoder"),
            registers: file.integer("registers"), finalNorm: file.metadata["encoder_final_norm"] == "True")
        options.decoder = try TransformerShape(
            width: file.integer("decoder_width"), layers: file.integer("layers"), heads: file.integer("heads_decoder"),
            finalNorm: false)
        options.tasks[ParticleIdentification.Options.self]!.weight = try file.number("id_weight")
        options.tasks[ParticleIdentification.Options.self]!.labelSmoothing = try file.number("label_smoothing")
        options.tasks[Regression.Options.self] = Regression.Options()
        options.tasks[Regression.Options.self]!.weight = try file.number("regression_weight")
        options.tasks[KMeansTaskOptions.self]!.task.weight = try file.number("kmeans_weight")
        options.tasks[KMeansTaskOptions.self]!.tokens.clusters = centroids.rows
        options.tasks[KMeansTaskOptions.self]!.task.labelSmoothing = try file.number("label_smoothing")
        let objective = try MaskedParticleModelling(
            options, JetShape(features: jets.values.columns, maxConstituents: file.shape("param.null_token")[0]),
            seed: 0)
        objective.kmeans?.centroids = centroids
        try objective.parameters.load(file)

        let dropped = try file.integers("in.dropped").map { $0 != 0 }
        let part = objective.prepare(
            MaskedJets(batch(jets), mask: dropped, phase: .training(step: 0), seed: 0))
        let tape = Tape(precision: precision)
        let scales = zip(objective.terms, part.counts).map { Float($0.weight / $1) }
        let sums = part.evaluate(scales, tape)
        tape.backward()

        let means = zip(sums, part.counts).map { $0 / $1 }
        let total = zip(objective.terms, means).reduce(0) { $0 + $1.0.weight * $1.1 }
        try expect([Float(total)], "out.loss", in: file, precision: precision)
        for (term, name) in zip(["particle_id", "regression", "kmeans"], ["id", "regression", "kmeans"]) {
            let index = try #require(objective.terms.firstIndex { $0.name == term })
            try expect([Float(means[index])], "out.\(name)_loss", in: file, precision: precision)
        }
        #expect(try objective.parameters.gradientErrors(file, precision: precision) == [])

        let encoding = objective.model.backbone(jets, on: Tape(recording: false, precision: precision))
        try expect(encoding.output.value.array, "out.encoding", in: file, precision: precision)
        #expect(try encoding.offsets == file.offsets("out.encoding_offsets"))
    }

    @Test func kMeansLloyd() throws {
        _ = try MPIEnvironment.initialize()
        let file = try GoldenFile("kmeans_lloyd")
        let points = try file.tensor("in.x")
        // No cluster is empty, so that the words are not used.
        let sample = KMeans.Sample(values: points, words: [UInt64](repeating: 0, count: points.rows))
        let fit = try KMeans.lloyd(
            sample, initial: file.tensor("in.initial"), iterations: file.integer("iterations"), on: .selfOnly)
        #expect(fit.reseeded == 0)
        try expect(fit.centroids.array, "out.centroids", in: file)
        #expect(try NearestRows(fit.centroids).indices(of: points) == file.indices("out.labels"))
        let last = try KMeans.lloyd(sample, initial: fit.centroids, iterations: 1, on: .selfOnly)
        try expect([Float(last.inertia)], "out.inertia", in: file)
    }
}

import Jets
import Models
import Objectives
import TestSupport
import Testing

/// Version 1 overfits one batch of 32 jets with all combinations of inputs and targets.
@Suite struct OverfittingV1Tests {
    private let jets = JetShape(features: 7, maxConstituents: SampleJets.maxConstituents)
    private let blocks = NormformerShape(width: 48, layers: 2, heads: 4, hidden: 48, dropout: 0)

    private let vqvae = fewCodes()

    private func inputs(_ name: String) -> InputOptions {
        switch name {
        case "kmeans":
            var options = fewClusters().tokens
            options.clusters = 64
            return InputOptions(.kmeans, options)
        case "vqvae": return InputOptions(.vqvae, vqvae.model)
        case "bins":
            var options = FittedBins.Options()
            (options.count, options.fitJets) = (16, 100)
            return InputOptions(.bins, options)
        default: return .raw
        }
    }

    /// The task, and a lower bound of its loss before training: from the variance 1 of the features, or a random guess.
    private func tasks(_ name: String) -> (tasks: ReconstructionTasks, guess: Double) {
        var tasks = smallOptions().tasks
        switch name {
        case "kmeans":
            tasks[KMeansTaskOptions.self] = fewClusters()
            return (tasks, 2)
        case "vqvae":
            tasks[VQVAETaskOptions.self] = .init(.init(labelSmoothing: 0))
            return (tasks, 3)
        case "bins":
            var options = BinClassification.Options()
            (options.bins.count, options.labelSmoothing, options.bins.fitJets) = (8, 0, 100)
            tasks[BinClassification.Options.self] = options
            return (tasks, 1.9)
        default:
            tasks[Regression.Options.self] = Regression.Options()
            tasks[Regression.Options.self]!.loss = .mse
            return (tasks, 0.6)
        }
    }

    @Test(arguments: ["raw", "kmeans", "vqvae", "bins"], ["regression", "kmeans", "vqvae", "bins"])
    func everyTargetFromEveryInput(inputs: String, target: String) throws {
        var options = MaskedParticleOptionsV1()
        options.backbone.shape.blocks = .normformer(blocks)
        options.backbone.inputs = self.inputs(inputs)
        let guess: Double
        (options.tasks, guess) = tasks(target)
        if target == "vqvae" { options.tokenizer = vqvae.model }
        let objective = MaskedParticleModelling(options, jets, seed: 3)
        try objective.useFittedTokenizer(vqvae, jets)
        let found = try Overfitting(objective)
        #expect(found.names == [target])
        #expect(found.first[0] > guess, "\(found.first)")
        #expect(found.last[0] < 0.4 * found.first[0], "\(found.first) to \(found.last)")
    }

    /// The form of Table 1.3 in the authors' code: ordered mask tokens, and tasks without a hidden layer.
    @Test func orderedMaskTokens() throws {
        var options = MaskedParticleOptionsV1()
        options.backbone.shape.blocks = .transformer(smallOptions().encoder)
        (options.position, options.headWidth) = (.masked, 0)
        options.tasks = tasks("kmeans").tasks
        let objective = MaskedParticleModelling(options, jets, seed: 3)
        let names = Set(objective.parameters.parameters.map(\.name))
        #expect(names.contains("null_tokens") && names.isDisjoint(with: ["mask_token", "head.hidden.weight"]))
        let found = try Overfitting(objective)
        #expect(found.last[0] < 0.4 * found.first[0], "\(found.first) to \(found.last)")
    }

    /// Between the versions: blocks of version 2 with mask tokens, registers and identities.
    @Test func blocksOfVersion2() throws {
        var options = MaskedParticleOptionsV1()
        options.backbone.shape.blocks = .transformer(smallOptions().encoder)
        options.backbone.shape.usesIdentity = true
        options.tasks = tasks("kmeans").tasks
        options.tasks[ParticleIdentification.Options.self] = .init()
        options.tasks[ParticleIdentification.Options.self]!.labelSmoothing = 0
        let found = try Overfitting(MaskedParticleModelling(options, jets, seed: 3))
        #expect(found.names == ["particle_id", "kmeans"])
        #expect(zip(found.first, [1.4, 2]).allSatisfy { $0 > $1 }, "\(found.first)")
        #expect(zip(found.last, found.first).allSatisfy { $0 < 0.4 * $1 }, "\(found.first) to \(found.last)")
    }

    /// Unused codes are reset during the training.
    @Test func vqvaeTraining() throws {
        var options = vqvae
        options.revivalSteps = 10
        let found = try Overfitting(VQVAETraining(options, jets, seed: 3))
        #expect(found.names == ["reconstruction", "commitment"])
        #expect(found.first[0] > 0.6)
        #expect(found.last[0] < 0.5 * found.first[0], "\(found.first) to \(found.last)")
        #expect(found.monitors[0] > 0.5 && found.monitors[1] > 10, "\(found.monitors)")
    }

    /// Like `numpy.median` for an even number of jets.
    @Test func vqvaeMediansAreMeansOfTheMiddleValues() {
        let measures = VQVAETraining(vqvae, jets, seed: 3).measures(
            of: Predictions(
                [
                    "jet_pt": .init([8, 1, 4, 2] as [Float]), "decoded_jet_pt": .init([1, 2, 3, 4] as [Float]),
                    "jet_mass": .init([1, 2, 3] as [Float]), "decoded_jet_mass": .init([1, 2, 3] as [Float]),
                ] as [String: Predictions.Column]))
        #expect(measures.prefix(3).map(\.value) == [3, 2.5, 2.5 / 3])
    }

    /// A resampling of a single jet may be empty, so that its median has no error.
    @Test func vqvaeMediansOfOneJetHaveNoError() {
        let measures = VQVAETraining(vqvae, jets, seed: 3).measures(
            of: Predictions([
                "jet_pt": Predictions.Column([500] as [Float]), "decoded_jet_pt": Predictions.Column([400] as [Float]),
            ]))
        #expect(measures.map(\.value) == [500, 400, 0.8])
        #expect(measures.allSatisfy { $0.error == nil })
    }
}

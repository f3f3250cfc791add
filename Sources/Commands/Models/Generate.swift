import ArgumentParser
import Foundation
import HDF5
import Jets
import MPI
import Models
import Objectives
import Runs
import Supervision
import System
import Tensors
import Training

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Generates jets, or reconstructs dropped constituents.",
        discussion: """
            A checkpoint of set_flow or next_token generates whole jets, written as a packed data file:

              mpirun -n 2 kaon generate runs/set-flow/checkpoints/best \\
                --jets 10000 --output generated.h5

            With model.classes the jets have classes in the proportions of the training data, or \
            'generate.class=NAME'.

            With --reconstruct a fraction of the constituents in the jets of data.test is dropped and reconstructed by \
            every task of the checkpoint. The output file has the groups 'original', 'survivors' and 'dropped', and \
            one for each task:

              kaon generate --reconstruct runs/mpmv2-flow/checkpoints/best \\
                'data.test=[test.h5]' --jets 100 --output reconstructed.h5

            The same seed gives the same jets on any number of ranks.
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Argument(
        help: "Overrides of the checkpoint's configuration, such as 'data.test=[test.h5]'.",
        completion: SettingCompletion.kind(.generate, .reconstruct))
    var overrides: [String] = []

    @Option(help: "Number of jets.")
    var jets: Int

    @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["h5"]))
    var output: String

    @Flag(help: "Drop constituents of the jets of data.test and reconstruct them.")
    var reconstruct = false

    @Option(help: "With --reconstruct, the fraction of constituents that is dropped (default: 0.4).")
    var fraction: Double?

    @Option(help: "Constituents per generated jet (default: as in the data for set_flow, drawn by next_token).")
    var constituents: Int?

    @Option(help: "ODE solver of flow matching: euler, midpoint or adaptive (default: midpoint).")
    var solver: GenerationOptions.Solver?

    @Option(help: "Steps of the solver, the maximum for an adaptive one (default: 50, adaptive 1000).")
    var steps: Int?

    @Option(help: "Error per step that the adaptive solver allows (default: 1e-4).")
    var tolerance: Double?

    @Flag(help: "Take the most likely class and token instead of sampling.")
    var mostLikely = false

    @Option(help: "Divide the logits of classes and tokens by this number before drawing (default: 1).")
    var temperature: Float?

    @Option(help: "Draw from this number of the most likely classes and tokens (default: all).")
    var topK: Int?

    @Option(help: "Random seed (default: that of the run).")
    var seed: UInt64?

    @Flag(help: "Replace an existing output file.")
    var force = false

    func validate() throws {
        guard jets > 0 else { throw ValidationError("--jets must be at least 1, found \(jets)") }
        if let fraction, !(0...1 ~= fraction) {
            throw ValidationError("--fraction must be from 0 to 1, found \(fraction)")
        }
        if let steps, steps < 1 { throw ValidationError("--steps must be at least 1, found \(steps)") }
        if let constituents, constituents < 1 {
            throw ValidationError("--constituents must be at least 1, found \(constituents)")
        }
        if let tolerance, !(tolerance > 0 && tolerance.isFinite) {
            throw ValidationError("--tolerance must be greater than 0, found \(tolerance)")
        }
        if tolerance != nil, solver != .adaptive {
            let found = (solver ?? .midpoint).rawValue
            throw ValidationError("--tolerance is for --solver adaptive; leave it out with --solver \(found)")
        }
        if let temperature, !(temperature > 0 && temperature.isFinite) {
            throw ValidationError("--temperature must be greater than 0, found \(temperature)")
        }
        if let topK, topK < 1 { throw ValidationError("--top-k must be at least 1, found \(topK)") }
        if mostLikely, temperature != nil || topK != nil {
            throw ValidationError("--temperature and --top-k are for sampling; leave them out with --most-likely")
        }
        if fraction != nil, !reconstruct {
            throw ValidationError("--fraction is for --reconstruct; leave it out for whole jets")
        }
        if reconstruct, constituents != nil {
            throw ValidationError("--constituents is for whole jets; leave it out with --reconstruct")
        }
    }

    func run() {
        var options = GenerationOptions(jets: jets)
        options.constituents = constituents
        if let fraction { options.fraction = fraction }
        options.seed = seed
        options.solver = solver
        options.steps = steps
        if let tolerance { options.tolerance = tolerance }
        options.takesMostLikely = mostLikely
        options.temperature = temperature
        options.topK = topK
        Launch.onAllRanks { [options] context in
            let file = OutputFile(output, overwrites: force)
            let command = reconstruct ? Commands.reconstruct : Commands.generate
            try command(checkpoint, overrides, file, options, context)
            return .finished
        }
    }
}

extension GenerationOptions.Solver: ExpressibleByArgument {}

/// Options of `kaon generate`.
package struct GenerationOptions: Sendable {
    /// ODE solver of flow matching.
    package enum Solver: String, CaseIterable, Sendable {
        case euler, midpoint, adaptive
    }

    /// Number of jets.
    package var jets: Int
    /// Constituents per generated jet; nil to draw the number from the distribution in the training data.
    package var constituents: Int?
    /// Fraction of constituents that is dropped and reconstructed.
    package var fraction = 0.4
    /// Random seed; nil for that of the run.
    package var seed: UInt64?
    /// Nil for the midpoint method.
    package var solver: Solver?
    /// Steps of the solver, the maximum for the adaptive one; nil for 50 and 1000.
    package var steps: Int?
    /// Error per step that the adaptive solver allows.
    package var tolerance = 1e-4
    /// True to take the most likely class and token instead of sampling.
    package var takesMostLikely = false
    /// Divides the logits of classes and tokens; nil for 1.
    package var temperature: Float?
    /// Number of the most likely classes and tokens that are drawn; nil for all.
    package var topK: Int?

    package init(jets: Int) {
        self.jets = jets
    }

    fileprivate var sampling: SamplingOptions {
        let solver: ODESolver =
            switch self.solver ?? .midpoint {
            case .euler: .euler(steps: steps ?? 50)
            case .midpoint: .midpoint(steps: steps ?? 50)
            case .adaptive: .adaptive(tolerance: tolerance, maximumSteps: steps ?? 1000)
            }
        return SamplingOptions(
            solver: solver, takesMostLikely: takesMostLikely, temperature: temperature ?? 1, topK: topK)
    }

    /// Throws `KaonError` if an option has no effect on a model that generates whole jets.
    fileprivate func checkEffect(on model: TrainedModel, _ checkpoint: String) throws {
        guard let generator = model.objective.generator else { return }
        let given =
            generator.drawsTokens
            ? [("--solver", solver != nil), ("--steps", steps != nil)]
            : [("--temperature", temperature != nil), ("--top-k", topK != nil), ("--most-likely", takesMostLikely)]
        guard let (option, _) = given.first(where: { $0.1 }) else { return }
        let kind = generator.drawsTokens ? "draws tokens" : "integrates a flow"
        throw KaonError(
            "\(checkpoint) is a checkpoint of \(model.options.objective.name.rawValue), which \(kind): leave "
                + "\(option) out")
    }
}

/// `kaon generate`: generates whole jets with the model of a checkpoint and writes a packed file, to the bit the same
/// on any number of ranks. Collective.
///
/// Throws `AgreedError` if the model does not generate jets or the file cannot be written.
package func generate(
    _ checkpoint: String, overrides: [String], to output: OutputFile, _ options: GenerationOptions,
    in context: RunContext
) throws {
    let (communicator, console) = (context.communicator, context.console)
    let model = try communicator.agree {
        try TrainedModel(checkpoint, CheckpointKeys.generate.options(of: checkpoint, overrides: overrides))
    }
    let generator = try communicator.agree {
        guard let generator = model.objective.generator else {
            throw KaonError(
                "\(checkpoint) is a checkpoint of \(model.options.objective.name.rawValue), which does not generate "
                    + "whole jets; use one of set_flow or next_token, or --reconstruct for dropped constituents")
        }
        if let count = options.constituents, count > model.options.data.maxConstituents {
            throw KaonError(
                "--constituents is \(count), but the model was trained on at most "
                    + "\(model.options.data.maxConstituents)")
        }
        let constituents = options.constituents ?? model.options.data.maxConstituents
        guard options.jets <= Int(Int32.max) / constituents else {
            throw KaonError(
                "--jets \(options.jets) of at most \(constituents) constituents are too many for one file; generate at "
                    + "most \(Int(Int32.max) / constituents), and more with another --seed")
        }
        try options.checkEffect(on: model, checkpoint)
        _ = try generator.labels(ofGenerated: 0..<1, seed: 0)
        return generator
    }
    try output.check(inputs: [checkpoint], on: communicator)
    _ = try ComputeThreads.start(model.options.threads, on: communicator)
    let preprocessing = try communicator.agree {
        guard let preprocessing = model.state.preprocessing else {
            throw KaonError("\(checkpoint) was imported without a preprocessing; give kaon-import --preprocessor")
        }
        return preprocessing
    }
    var jets = Predictions()
    let chunks = JetChunks(
        count: options.jets, size: model.options.training.microBatchSize, on: communicator)
    let seed = options.seed ?? model.options.seed
    try chunks.run { range in
        let labels = try generator.labels(ofGenerated: range, seed: seed)
        let generated = try generator.generate(
            range, labels: labels, constituents: options.constituents, seed: seed, options.sampling)
        var part = Predictions(
            "jets", generated.values, identities: generated.identities, offsets: generated.offsets, preprocessing)
        let classes = labels.map { $0.map { Int($0) } } ?? range.map { _ in 0 }
        part.append(Predictions(["labels": Predictions.Column(classes)]))
        return part
    } store: { part, done in
        jets.append(part)
        console.progress(jets: done, of: options.jets)
    }
    console.endProgress()
    _ = try communicator.onRoot {
        let labels = jets.integers("labels").map { Int32($0) }
        let block = jets.block("jets", labels: labels, features: preprocessing.features).sortedByMomentum()
        try createFolder(of: output.path)
        try replaceFile(output.path) { root in
            try block.write(
                to: root, classNames: generator.generatedClasses?.names ?? ["generated"],
                creator: "kaon \(kaonVersion)")
            try root.setAttribute("checkpoint", to: checkpoint)
        }
        console.say(
            "\(output.path): \(plural(options.jets, "jet")) with "
                + "\(plural(block.identities.count, "constituent")), generated by "
                + checkpoint)
    }
}

/// `kaon generate --reconstruct`: drops constituents of the jets of `data.test`, reconstructs them with the model of a
/// checkpoint, and writes the jets, the surviving constituents, and the reconstruction of each task, to the bit the
/// same on any number of ranks. Collective.
///
/// Throws `AgreedError` if the model reconstructs no features, there are no jets, or the file cannot be written.
package func reconstruct(
    _ checkpoint: String, overrides: [String], to output: OutputFile, _ options: GenerationOptions,
    in context: RunContext
) throws {
    let (communicator, console) = (context.communicator, context.console)
    let model = try communicator.agree {
        try TrainedModel(checkpoint, CheckpointKeys.reconstruct.options(of: checkpoint, overrides: overrides))
    }
    let reconstructor = try communicator.agree {
        let name = model.options.objective.name.rawValue
        guard let reconstructor = model.objective.reconstructor else {
            throw KaonError("\(checkpoint) is a checkpoint of \(name), which does not reconstruct constituents")
        }
        guard !reconstructor.reconstructions.isEmpty else {
            throw KaonError("no task of \(checkpoint) reconstructs features; train one in addition to particle_id")
        }
        try options.checkEffect(on: model, checkpoint)
        return reconstructor
    }
    let classes = reconstructor.usedClasses
    let test = try AppliedJets(
        testing: model.options, jets: options.jets,
        classes == nil ? .init() : .init(model.options, classes), on: communicator)
    let dataset = test.dataset
    try output.check(inputs: [checkpoint] + dataset.paths, on: communicator)
    test.report(on: console)
    try communicator.agree {
        guard dataset.count == options.jets else {
            throw KaonError("--jets is \(options.jets), but data.test has only \(plural(dataset.count, "jet"))")
        }
    }
    _ = try ComputeThreads.start(model.options.threads, on: communicator)
    let chunks = JetChunks(
        count: dataset.count, size: model.options.training.microBatchSize, on: communicator)
    let seed = options.seed ?? model.options.seed
    let preprocessing = try model.state.preprocessing(
        fittedIfMissingTo: dataset, of: checkpoint, model.options, in: context)
    let loader = JetLoader(
        dataset: dataset, preprocessing: preprocessing,
        order: .init(batchSize: chunks.size, seed: model.options.seed, shuffle: false),
        contents: .init(momenta: model.objective.needsMomenta, classOfLabel: classes?.indices(in: dataset)), rank: 0,
        size: 1)
    var found = Predictions()
    try chunks.run { range in
        let batch = try loader.batch(epoch: 0, step: range.lowerBound / chunks.size)
        let mask = RandomMasking(fraction: options.fraction).dropped(
            in: batch, seed: seed, stream: .validationMasking)
        let jets = MaskedJets(batch, mask: mask, phase: .validation, seed: seed)
        let parts = try reconstructor.reconstruct(jets, options.sampling)
        return Predictions(jets, zip(reconstructor.reconstructions, parts), preprocessing)
    } store: { part, done in
        found.append(part)
        console.progress(jets: done, of: dataset.count)
    }
    console.endProgress()
    _ = try communicator.onRoot {
        let (labels, features) = (found.integers("labels").map { Int32($0) }, preprocessing.features)
        try createFolder(of: output.path)
        try replaceFile(output.path) { root in
            try root.write(labels, as: "labels")
            if case let names = classes?.names ?? dataset.classNames, !names.isEmpty {
                try root.dataset("labels").setAttribute("names", to: names)
            }
            for name in ["original", "survivors", "dropped"] + reconstructor.reconstructions {
                try found.block(name, labels: labels, features: features).writeConstituents(
                    to: root.createGroup(name), hasIdentities: found.columns[name + "/identities"] != nil)
            }
            try root.setAttribute("checkpoint", to: checkpoint)
            try root.setAttribute("reconstructions", to: reconstructor.reconstructions)
            try root.setAttribute("fraction", to: options.fraction)
        }
        console.say(
            "\(output.path): \(plural(labels.count, "jet")), \(Int((100 * options.fraction).rounded())) % dropped, "
                + "reconstructed by " + reconstructor.reconstructions.joined(separator: ", "))
    }
}

extension Predictions {
    /// Constituents under a name, with features converted back to the stored ones.
    fileprivate init(
        _ name: String, _ values: Tensor, identities: [Int32]?, offsets: Offsets,
        _ preprocessing: any Preprocessing
    ) {
        var columns = [
            name + "/values": Column(preprocessing.stored(values.array, identities: identities)),
            name + "/counts": Column((0..<offsets.jets).map { offsets[$0].count }),
        ]
        if let identities { columns[name + "/identities"] = Column(identities.map { Int($0) }) }
        self.init(columns)
    }

    /// Jets with their surviving and dropped constituents and the reconstructions.
    fileprivate init(
        _ jets: MaskedJets, _ found: some Sequence<(String, Reconstruction)>,
        _ preprocessing: any Preprocessing
    ) {
        self.init(["labels": Column(jets.batch.labels.map { Int($0) })])
        for (name, part) in [
            ("original", jets.constituents.all), ("survivors", jets.survivors), ("dropped", jets.dropped),
        ] {
            append(
                Predictions(
                    name, part.values, identities: part.identities, offsets: part.offsets, preprocessing))
        }
        for (name, part) in found {
            guard let values = part.values else { continue }
            append(
                Predictions(
                    name, values, identities: part.identities, offsets: jets.dropped.offsets, preprocessing))
        }
    }

    /// The constituents that are stored under a name.
    fileprivate func block(_ name: String, labels: [Int32], features: JetFeatures) -> JetBlock {
        let values = floats(name + "/values")
        let identities = columns[name + "/identities"].map { _ in
            integers(name + "/identities").map { UInt8($0) }
        }
        return JetBlock(
            offsets: Offsets(counts: integers(name + "/counts")), values: values,
            identities: identities ?? [UInt8](repeating: 0, count: values.count / features.storedCount),
            labels: labels, features: JetFeatures(storing: features))
    }
}

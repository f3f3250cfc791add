import ArgumentParser
import Foundation
import HDF5
import Jets
import Models
import MPI
import Objectives
import Runs
import Supervision
import System
import Tensors
import Training

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Generates jets, or what was dropped of given ones.",
        discussion: """
            A checkpoint of set_flow makes whole jets, written as a packed file that kaon reads:

              mpirun -n 2 kaon generate runs/set-flow/checkpoints/best --jets 10000 --output generated.h5

            With --reconstruct a part of the jets of data.test is dropped, and every task of the checkpoint \
            recovers it; the file has the groups 'original', 'survivors', 'dropped' and one for each task:

              kaon generate --reconstruct runs/mpmv2-flow/checkpoints/best data.test=[test.h5] --jets 100 \\
                --output reconstructed.h5

            The same seed makes the same jets on any number of ranks.
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Argument(help: "Overrides of the configuration in the checkpoint, such as data.test=[test.h5].")
    var overrides: [String] = []

    @Option(help: "The number of jets.")
    var jets: Int

    @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["h5"]))
    var output: String

    @Flag(help: "Drop a part of given jets and recover it.")
    var reconstruct = false

    @Option(help: "With --reconstruct, the part of the constituents that is dropped.")
    var fraction = 0.4

    @Option(help: "Constituents of each generated jet; without, as many as in the data.")
    var constituents: Int?

    @Option(help: "How flow matching is followed: euler, midpoint or adaptive.")
    var solver = GenerationOptions.Solver.midpoint

    @Option(help: "Steps of the solver; the most of an adaptive one.")
    var steps: Int?

    @Option(help: "The error of a step that an adaptive solver allows.")
    var tolerance = 1e-4

    @Flag(help: "Take the most likely class and token instead of a random one.")
    var mostLikely = false

    @Option(help: "Names the random numbers; by default the seed of the run.")
    var seed: UInt64?

    @Flag(help: "Replace the output where it is there already.")
    var force = false

    func validate() throws {
        guard jets > 0 else { throw ValidationError("--jets must be at least 1, found \(jets)") }
        guard 0...1 ~= fraction else {
            throw ValidationError("--fraction must be from 0 to 1, found \(fraction)")
        }
        if let steps, steps < 1 { throw ValidationError("--steps must be at least 1, found \(steps)") }
        if let constituents, constituents < 1 {
            throw ValidationError("--constituents must be at least 1, found \(constituents)")
        }
        guard tolerance > 0, tolerance.isFinite else {
            throw ValidationError("--tolerance must be greater than 0, found \(tolerance)")
        }
        if reconstruct, constituents != nil {
            throw ValidationError("--constituents is for whole jets; leave it out with --reconstruct")
        }
    }

    func run() {
        var options = GenerationOptions(jets: jets)
        options.constituents = constituents
        options.fraction = fraction
        options.seed = seed
        options.overwrites = force
        options.solver = solver
        options.steps = steps
        options.tolerance = tolerance
        options.takesMostLikely = mostLikely
        let wanted = options
        Launch.onAllRanks { communicator, console in
            let command = reconstruct ? Commands.reconstruct : Commands.generate
            try command(checkpoint, overrides, output, wanted, communicator, console)
            return .finished
        }
    }
}

extension GenerationOptions.Solver: ExpressibleByArgument {}

/// What is generated, and how.
package struct GenerationOptions: Sendable {
    /// How the velocities of flow matching are followed.
    package enum Solver: String, CaseIterable, Sendable {
        case euler, midpoint, adaptive
    }

    /// The number of jets.
    package var jets: Int
    /// Constituents of each generated jet; nil for numbers as in the data.
    package var constituents: Int?
    /// The part of given jets that is dropped.
    package var fraction = 0.4
    /// Names the random numbers; nil for the seed of the run.
    package var seed: UInt64?
    package var solver = Solver.midpoint
    /// Steps of the solver, the most of an adaptive one; nil for 50 and 1000.
    package var steps: Int?
    /// The error of a step that an adaptive solver allows.
    package var tolerance = 1e-4
    /// Whether the most likely class and token is taken instead of a random one.
    package var takesMostLikely = false
    /// Whether a file that is there is replaced.
    package var overwrites = false

    package init(jets: Int) {
        self.jets = jets
    }

    fileprivate var sampling: SamplingOptions {
        let solver: ODESolver =
            switch solver {
            case .euler: .euler(steps: steps ?? 50)
            case .midpoint: .midpoint(steps: steps ?? 50)
            case .adaptive: .adaptive(tolerance: tolerance, maximumSteps: steps ?? 1000)
            }
        return SamplingOptions(solver: solver, takesMostLikely: takesMostLikely)
    }
}

/// `kaon generate`: writes whole jets that the model of a checkpoint makes, as a packed file; collective, and
/// the same for any number of ranks.
///
/// Throws `AgreedError` where the model makes no jets, or where the file cannot be written.
package func generate(
    _ checkpoint: String, overrides: [String], output: String, _ options: GenerationOptions,
    on communicator: Communicator, console: Console
) throws {
    let model = try communicator.agree { try TrainedModel(checkpoint, overrides: overrides) }
    let generator = try communicator.agree {
        guard let generator = model.objective.generator else {
            throw KaonError(
                "\(checkpoint) is a checkpoint of \(model.options.objective.name.rawValue), which makes no whole "
                    + "jets; set_flow does, and --reconstruct recovers the dropped part of given jets")
        }
        if let count = options.constituents, count > model.options.data.maxConstituents {
            throw KaonError(
                "--constituents is \(count), but the model was trained on at most "
                    + "\(model.options.data.maxConstituents)")
        }
        return generator
    }
    try checkOutput(output, overwrites: options.overwrites, on: communicator)
    _ = try ComputeThreads.start(model.options.threads, on: communicator)
    let preprocessing = model.fitted.preprocessing
    var jets = Predictions()
    let portions = JetPortions(
        count: options.jets, size: model.options.training.microBatchSize, communicator: communicator)
    try portions.run { range in
        let made = try generator.generate(
            range, constituents: options.constituents, seed: options.seed ?? model.options.seed,
            options.sampling)
        return Predictions(
            "jets", made.values, identities: made.identities, offsets: made.offsets, preprocessing)
    } store: { part, done in
        jets.append(part)
        console.progress("\(done) of \(options.jets) jets", isLogged: false)
    }
    console.endProgress()
    _ = try communicator.onRoot {
        let block = jets.block("jets", labels: [Int32](repeating: 0, count: options.jets)).sortedByMomentum()
        try replaceFile(output) { root in
            try block.write(to: root, classNames: ["generated"], creator: "kaon \(kaonVersion)")
            try root.setAttribute("checkpoint", to: checkpoint)
        }
        console.say(
            "\(output): \(options.jets) jets with \(block.identities.count) constituents, generated by "
                + checkpoint)
    }
}

/// `kaon generate --reconstruct`: drops a part of the jets of `data.test`, lets the model of a checkpoint
/// recover it, and writes the jets, what was left of them, and what each task recovers; collective, and the
/// same for any number of ranks.
///
/// Throws `AgreedError` where the model recovers no features, where there are no jets, or where the file
/// cannot be written.
package func reconstruct(
    _ checkpoint: String, overrides: [String], output: String, _ options: GenerationOptions,
    on communicator: Communicator, console: Console
) throws {
    let model = try communicator.agree { try TrainedModel(checkpoint, overrides: overrides) }
    let reconstructor = try communicator.agree {
        let name = model.options.objective.name.rawValue
        guard let reconstructor = model.objective.reconstructor else {
            throw KaonError("\(checkpoint) is a checkpoint of \(name), which recovers no constituents")
        }
        guard !reconstructor.reconstructions.isEmpty else {
            throw KaonError("no task of \(checkpoint) recovers features; train one beside particle_id")
        }
        return reconstructor
    }
    try checkOutput(output, overwrites: options.overwrites, on: communicator)
    let dataset = try openTestJets(model.options, jets: options.jets, on: communicator)
    _ = try ComputeThreads.start(model.options.threads, on: communicator)
    let portions = JetPortions(
        count: dataset.count, size: model.options.training.microBatchSize, communicator: communicator)
    let seed = options.seed ?? model.options.seed
    let loader = JetLoader(
        dataset: dataset, preprocessing: model.fitted.preprocessing,
        order: .init(batchSize: portions.size, seed: model.options.seed, shuffle: false), rank: 0, size: 1)
    var found = Predictions()
    try portions.run { range in
        let batch = try loader.batch(epoch: 0, step: range.lowerBound / portions.size)
        let mask = RandomMasking(fraction: options.fraction).dropped(
            in: batch, seed: seed, stream: .validationMasking)
        let jets = MaskedJets(batch, mask: mask, phase: .validation, seed: seed)
        let parts = try reconstructor.reconstruct(jets, options.sampling)
        return Predictions(jets, zip(reconstructor.reconstructions, parts), model.fitted.preprocessing)
    } store: { part, done in
        found.append(part)
        console.progress("\(done) of \(dataset.count) jets", isLogged: false)
    }
    console.endProgress()
    _ = try communicator.onRoot {
        let labels = found.integers("labels").map { Int32($0) }
        try replaceFile(output) { root in
            try root.write(labels, as: "labels")
            if !dataset.classNames.isEmpty {
                try root.dataset("labels").setAttribute("names", to: dataset.classNames)
            }
            for name in ["original", "survivors", "dropped"] + reconstructor.reconstructions {
                try found.block(name, labels: labels).writeConstituents(
                    to: root.createGroup(name), hasIdentities: found.columns[name + "/identities"] != nil)
            }
            try root.setAttribute("checkpoint", to: checkpoint)
            try root.setAttribute("reconstructions", to: reconstructor.reconstructions)
            try root.setAttribute("fraction", to: options.fraction)
        }
        console.say(
            "\(output): \(labels.count) jets, \(Int((100 * options.fraction).rounded())) % dropped, "
                + "recovered by " + reconstructor.reconstructions.joined(separator: ", "))
    }
}

extension Predictions {
    /// Constituents in features as stored, under a name.
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

    /// Jets, what was left and what was dropped of them, and what is recovered.
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

    /// The constituents under a name.
    fileprivate func block(_ name: String, labels: [Int32]) -> JetBlock {
        let values = floats(name + "/values")
        let identities = columns[name + "/identities"].map { _ in
            integers(name + "/identities").map { UInt8($0) }
        }
        return JetBlock(
            offsets: Offsets(counts: integers(name + "/counts")), values: values,
            identities: identities ?? [UInt8](repeating: 0, count: values.count / JetFeatures.allNames.count),
            labels: labels)
    }
}

import ArgumentParser
import Foundation
import HDF5
import Jets
import MPI
import Objectives
import Runs
import Supervision
import System
import Training

struct Encode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Encodes the jets of data.test with the backbone of a checkpoint.",
        discussion: """
            The output file contains 'encodings', with one row for each register and constituent, 'offsets', the first \
            row of each jet, and 'labels'. With --pool mean there is one row for each jet, and no offsets.

              mpirun -n 2 kaon encode runs/mpmv2-kmeans/checkpoints/latest \\
                'data.test=[test.h5]' --output encoded.h5
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Argument(
        help: "Overrides of the checkpoint's configuration, such as 'data.test=[test.h5]'.",
        completion: SettingCompletion.kind(.encode))
    var overrides: [String] = []

    @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["h5"]))
    var output: String

    @Option(help: "Pooling over the encodings of a jet: none or mean.")
    var pool = EncodingPool.none

    @Flag(help: "Replace an existing output file.")
    var force = false

    func run() {
        Launch.onAllRanks { context in
            let file = OutputFile(output, overwrites: force)
            try encode(checkpoint, overrides: overrides, to: file, pool: pool, in: context)
            return .finished
        }
    }
}

extension EncodingPool: ExpressibleByArgument {}

/// `kaon encode`: writes the outputs of the backbone of a checkpoint for the jets of `data.test`, to the bit the same
/// on any number of ranks. Collective.
///
/// Throws `AgreedError` if there is no backbone, there are no jets, or the file cannot be written.
package func encode(
    _ checkpoint: String, overrides: [String], to output: OutputFile, pool: EncodingPool, in context: RunContext
) throws {
    let (communicator, console) = (context.communicator, context.console)
    let model = try communicator.agree {
        try TrainedBackbone(checkpoint, CheckpointKeys.encode.options(of: checkpoint, overrides: overrides))
    }
    let options = model.options
    let test = try AppliedJets(testing: options, on: communicator)
    let dataset = test.dataset
    try output.check(inputs: [checkpoint] + dataset.paths, on: communicator)
    _ = try ComputeThreads.start(options.threads, on: communicator)
    let chunks = JetChunks(count: dataset.count, size: options.training.microBatchSize, on: communicator)
    let loader = JetLoader(
        dataset: dataset,
        preprocessing: try model.state.preprocessing(
            fittedIfMissingTo: dataset, of: checkpoint, options, in: context),
        order: .init(batchSize: chunks.size, seed: options.seed, shuffle: false),
        contents: .init(momenta: model.needsMomenta), rank: 0, size: 1)
    // Only without pooling does the number of rows depend on the jets.
    let tokens = pool == .none ? try dataset.constituentCount() + model.registers * dataset.count : nil
    console.say("\(checkpoint): encodings of \(model.width) channels for \(plural(dataset.count, "jet"))")
    test.report(on: console)

    /// Encodes all jets; `store` is called on rank 0 with the encodings of each round. Collective.
    func run(_ store: (Predictions) throws -> Void) throws {
        try chunks.run { jets in
            let batch = try loader.batch(epoch: 0, step: jets.lowerBound / chunks.size)
            return model.encode(batch, pool: pool)
        } store: { part, done in
            try store(part)
            console.progress(jets: done, of: dataset.count)
        }
    }
    if communicator.rank == 0 {
        try createFolder(of: output.path)
        try replaceFile(output.path) { root in
            let writer = try EncodingWriter(
                root, jets: dataset.count, tokens: tokens, width: model.width)
            try root.setAttribute("checkpoint", to: checkpoint)
            try root.setAttribute("pool", to: pool.rawValue)
            try root.setAttribute("registers", to: model.registers)
            if !dataset.classNames.isEmpty {
                try root.dataset("labels").setAttribute("names", to: dataset.classNames)
            }
            try run { try writer.append($0, to: root) }
        }
    } else {
        try run { _ in }
    }
    try communicator.barrier()
    console.endProgress()
    console.say("written to \(output.path)")
}

/// Appends encodings to the datasets of a file.
private final class EncodingWriter {
    private let hasOffsets: Bool
    private var (jet, row, token) = (0, 0, 0)

    /// - Parameter tokens: number of encodings; nil for one encoding per jet.
    init(_ root: borrowing Group, jets: Int, tokens: Int?, width: Int) throws {
        hasOffsets = tokens != nil
        let rows = tokens ?? jets
        _ = try root.createDataset(
            "encodings", of: .float32, shape: [rows, width],
            chunks: [max(1, min(rows, 262_144 / width)), width])
        _ = try root.createDataset("labels", of: .int32, shape: [jets])
        if hasOffsets { _ = try root.createDataset("offsets", of: .int64, shape: [jets + 1]) }
    }

    func append(_ part: Predictions, to root: borrowing Group) throws {
        func write<T: HDF5Scalar>(_ values: [T], _ name: String, at row: Int, width: Int = 1) throws {
            try values.withUnsafeBufferPointer {
                try root.dataset(name).write(rows: row..<row + $0.count / width, from: $0)
            }
        }
        let (labels, values) = (part.integers("labels"), part.floats("encodings"))
        let width = part.columns["encodings"]?.width ?? 1
        try write(values, "encodings", at: row, width: width)
        try write(labels, "labels", at: jet)
        if hasOffsets {
            let ends = part.integers("counts").map { count in
                token += count
                return token
            }
            try write(ends, "offsets", at: jet + 1)
        }
        row += values.count / width
        jet += labels.count
    }
}

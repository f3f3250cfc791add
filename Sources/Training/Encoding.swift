import Foundation
import HDF5
import Jets
import MPI
import NN
import Objectives
import Tensors

/// What `kaon encode` writes of every jet.
public enum EncodingPool: String, CaseIterable, Sendable {
    /// The output of the backbone for every register and constituent.
    case none
    /// Their mean.
    case mean
}

/// `kaon encode`: writes what the backbone of a checkpoint says of the jets of `data.test`; collective, and
/// the same for any number of ranks.
///
/// Throws `AgreedError` where there is no backbone or no jets, or where the file cannot be written.
public func encode(
    _ checkpoint: String, overrides: [String], output: String, pool: EncodingPool, overwrites: Bool,
    on communicator: Communicator, console: Console
) throws {
    let model = try communicator.agree { try TrainedBackbone(checkpoint, overrides: overrides) }
    try checkOutput(output, overwrites: overwrites, on: communicator)
    let options = model.options
    let dataset = try openTestJets(options, on: communicator)
    _ = try Machine.useThreads(options.threads, on: communicator)
    let portions = JetPortions(
        count: dataset.count, size: options.training.microBatchSize, communicator: communicator)
    let loader = JetLoader(
        dataset: dataset, preprocessing: model.preprocessing, batchSize: portions.size, seed: options.seed,
        shuffle: false, rank: 0, size: 1)
    let constituents = try communicator.allReduce(
        try communicator.agree {
            try JetOrder.share(of: dataset.blockCount, rank: communicator.rank, size: communicator.size)
                .reduce(0) { try $0 + dataset.read(block: $1).identities.count }
        })
    let tokens = constituents + model.registers * dataset.count
    console.say("\(checkpoint): encodings of \(model.width) channels for \(dataset.count) jets")

    /// All that is collective; `store` writes on rank 0.
    func run(_ store: (Predictions) throws -> Void) throws {
        try portions.run { jets in
            let batch = try loader.batch(epoch: 0, step: jets.lowerBound / portions.size)
            return model.encode(batch, pool: pool)
        } store: { part, done in
            try store(part)
            console.progress("\(done) of \(dataset.count) jets", isLogged: false)
        }
    }
    if communicator.rank == 0 {
        try replaceFile(output) { root in
            let writer = try EncodingWriter(
                root, jets: dataset.count, tokens: pool == .none ? tokens : nil, width: model.width)
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
    console.say("written to \(output)")
}

/// The backbone of a checkpoint of any objective.
struct TrainedBackbone {
    let options: RunOptions
    let preprocessing: any Preprocessing
    let registers: Int
    private let backbone: DownstreamBackbone

    init(_ checkpoint: String, overrides: [String]) throws {
        options = try RunOptions(ofCheckpoint: checkpoint, overrides: overrides)
        let fitted = try Checkpoint.fittedState(of: checkpoint)
        preprocessing = fitted.preprocessing
        if case .transformer(let transformer)? = options.objective.backbone?.shape.blocks {
            registers = transformer.registers
        } else {
            registers = 0
        }
        backbone = try Self.read(checkpoint, options, fitted).backbone
    }

    /// Builds the backbone of a checkpoint and reads its weights, and what turns jets into its inputs. Throws
    /// `TrainingError` where the objective has none.
    static func read(
        _ checkpoint: String, _ options: RunOptions, _ fitted: FittedState
    ) throws -> (backbone: DownstreamBackbone, parameters: ParameterStore) {
        guard let shape = options.objective.backbone else {
            throw TrainingError(
                "\(checkpoint) is a checkpoint of \(options.objective.name.rawValue), which has no backbone")
        }
        var tuning = FineTuning()
        tuning.mode = .fixed
        let builder = ParameterBuilder()
        let backbone = DownstreamBackbone(
            shape, tuning, JetShape(options.data.features, maxConstituents: options.data.maxConstituents),
            seed: options.seed, in: builder)
        let parameters = builder.build(seed: options.seed)
        try Checkpoint.readWeights(from: checkpoint, into: parameters, group: DownstreamBackbone.group)
        try backbone.restore(fitted.objective)
        return (backbone, parameters)
    }

    var width: Int { backbone.width }

    func encode(_ batch: JetBatch, pool: EncodingPool) -> Predictions {
        let encoded = backbone(batch, phase: .validation, on: Tape(recording: false))
        let (values, offsets) = (encoded.output.value, encoded.offsets)
        return Predictions([
            "encodings": .init(pool == .none ? values : values.means(over: offsets)),
            "counts": .init((0..<offsets.jets).map { offsets[$0].count }),
            "labels": .init(batch.labels.map { Int($0) }),
        ])
    }
}

extension Tensor {
    /// The mean of the rows of each jet, zero for a jet without any.
    fileprivate func means(over offsets: Offsets) -> Tensor {
        let scores = Variable(constant: Tensor(repeating: 0, shape: [rows, 1]))
        return Tape(recording: false).weightedPooling(
            Variable(constant: self), scores: scores, offsets: offsets
        ).value
    }
}

/// Writes encodings as they come.
private final class EncodingWriter {
    private let hasOffsets: Bool
    private var (jet, row, token) = (0, 0, 0)

    /// - Parameter tokens: the number of encodings; nil where there is one a jet.
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

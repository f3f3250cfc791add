import Jets
import NN
import Objectives
import Runs
import System
import Tensors

/// Pooling of `kaon encode` over the encodings of a jet.
package enum EncodingPool: String, CaseIterable, Sendable {
    /// No pooling: the outputs for all registers and constituents.
    case none
    /// Mean of the outputs.
    case mean
}

/// The backbone of a checkpoint of any objective.
package struct TrainedBackbone {
    package let options: RunOptions
    /// Preprocessing, classes and the state of the inputs.
    package let state: ModelState
    package let registers: Int
    private let backbone: DownstreamBackbone

    /// Reads the backbone of a checkpoint with some options, which may differ in keys that do not shape it.
    package init(_ checkpoint: String, _ options: RunOptions) throws {
        self.options = options
        state = try ModelFile.state(of: checkpoint)
        registers = options.objective.backbone?.shape.registers ?? 0
        backbone = try Self.read(checkpoint, options, state.objective, average: options.evaluatesAverage).backbone
    }

    /// Builds the backbone of a checkpoint and reads its weights and the state of its inputs. Throws `KaonError` if the
    /// objective has no backbone.
    ///
    /// - Parameter average: true for the moving average of the weights.
    package static func read(
        _ checkpoint: String, _ options: RunOptions, _ state: ObjectiveState, average: Bool
    ) throws -> (backbone: DownstreamBackbone, parameters: ParameterStore) {
        guard let shape = options.objective.backbone else {
            throw KaonError(
                "\(checkpoint) is a checkpoint of \(options.objective.name.rawValue), which has no backbone; "
                    + "'kaon export --all' writes the whole model")
        }
        var tuning = FineTuning()
        // Each jet is encoded once: a cache would only cost memory, and a pass of its own for each jet.
        (tuning.mode, tuning.cache) = (.fixed, .never)
        let builder = ParameterBuilder()
        let backbone = DownstreamBackbone(
            shape, tuning, JetShape(options.data.features, maxConstituents: options.data.maxConstituents),
            seed: options.seed, in: builder)
        let parameters = builder.build(seed: options.seed)
        try ModelFile.readWeights(from: checkpoint, into: parameters, group: DownstreamBackbone.group, average: average)
        try backbone.restore(state)
        return (backbone, parameters)
    }

    package var width: Int { backbone.width }
    /// True if the backbone reads `JetBatch.momenta`.
    package var needsMomenta: Bool { backbone.needsMomenta }

    package func encode(_ batch: JetBatch, pool: EncodingPool) -> Predictions {
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
    /// The mean of the rows of each jet; zero for a jet without rows.
    fileprivate func means(over offsets: Offsets) -> Tensor {
        let scores = Variable(constant: Tensor(repeating: 0, shape: [rows, 1]))
        return Tape(recording: false).weightedPooling(
            Variable(constant: self), scores: scores, offsets: offsets
        ).value
    }
}

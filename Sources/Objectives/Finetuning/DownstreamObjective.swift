import Jets
import MPI
import NN
import Tensors

/// Trains a downstream task on a backbone.
package final class DownstreamObjective: Objective {
    package let parameters: ParameterStore
    private let backbone: DownstreamBackbone
    private let task: any DownstreamTask
    /// True if the inputs are those of a pre-trained backbone.
    private var hasAdopted = false

    package init(_ options: DownstreamOptions, _ jets: JetShape, seed: UInt64) {
        let builder = ParameterBuilder()
        backbone = DownstreamBackbone(options.backbone, options.fineTuning, jets, seed: seed, in: builder)
        task = options.task.makeTask(
            DownstreamContext(width: backbone.width, jets: jets, seed: seed, scope: builder.root.scope("head")))
        parameters = builder.build(seed: seed)
    }

    package var terms: [LossTerm] { task.terms }
    package var needsMomenta: Bool { backbone.needsMomenta || task.needsMomenta }
    package func learningRateFactors(step: Int) -> [Double] { backbone.learningRateFactors(step: step) }

    package func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch {
        var known: EncodedJets?
        return MicroBatch(counts: task.counts(batch)) { [backbone, task] scales, tape in
            let encoded = backbone(batch, phase: phase, on: tape)
            if !phase.isTraining { known = encoded }
            return task.evaluate(encoded, batch, phase: phase, scales: scales, on: tape)
        } predict: { [backbone, task] _, tape in
            task.predict(known ?? backbone(batch, phase: .validation, on: tape), batch, on: tape)
        }
    }

    package func measures(of predictions: Predictions) -> [Measure] { task.measures(of: predictions) }
    package func tables(of predictions: Predictions) -> [String: [[Double]]] { task.tables(of: predictions) }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        if !hasAdopted { try backbone.fit(to: jets, on: communicator, report: report) }
        try task.fit(to: jets, on: communicator, report: report)
    }

    package func useSyntheticTokens(_ points: (Int) -> Tensor) throws { try backbone.useSyntheticTokens(points) }

    package var state: ObjectiveState {
        var state = backbone.state
        state["task"] = task.state
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        try backbone.restore(state)
        try task.restore(state["task"])
    }

    package var tokenizerParameters: ParameterStore? { backbone.tokenizerParameters }

    package func adopt(backbone state: ObjectiveState) throws {
        try backbone.restore(state)
        hasAdopted = true
    }
}

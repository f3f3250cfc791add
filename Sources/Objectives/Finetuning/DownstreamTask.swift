import Jets
import Models
import MPI
import NN
import Tensors

/// What a downstream task asks of a backbone's outputs: a head, a loss, and answers that can be measured.
package protocol DownstreamTask: AnyObject {
    /// The terms of the loss, and what is told beside them.
    var terms: [LossTerm] { get }
    /// Datasets with a whole number for each constituent that the task learns.
    static var constituentLabels: [String] { get }

    /// What each term is averaged over.
    func counts(_ batch: JetBatch, phase: Phase) -> [Double]
    /// The sum of every term; `scales` are what their gradients count.
    func evaluate(
        _ encoded: EncodedJets, _ batch: JetBatch, phase: Phase, scales: [Float], on tape: Tape
    ) -> [Double]
    /// The answers for some jets, and the truth that they are compared with.
    func predict(_ encoded: EncodedJets, _ batch: JetBatch) -> Predictions
    /// The figures of merit of the answers for all jets.
    func measures(of predictions: Predictions) -> [Measure]
    /// Figures that are tables.
    func tables(of predictions: Predictions) -> [String: [[Double]]]

    /// As in `Objective`; most tasks need none of these.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    var state: ObjectiveState { get }
    func restore(_ state: ObjectiveState) throws
}

extension DownstreamTask {
    package static var constituentLabels: [String] { [] }
    package func tables(of predictions: Predictions) -> [String: [[Double]]] { [:] }
    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    package var state: ObjectiveState { ObjectiveState() }
    package func restore(_ state: ObjectiveState) throws {}
}

/// What a backbone says of some jets.
package struct EncodedJets {
    /// `[tokens + registers · jets, width]`, the registers first in each jet.
    package let output: Variable
    /// Where each jet begins in the output.
    package let offsets: Offsets
    let registers: Int

    /// The rows of the constituents alone, `[tokens, width]`.
    package func constituents(on tape: Tape) -> Variable {
        guard registers > 0 else { return output }
        var rows: [Int32] = []
        rows.reserveCapacity(offsets.tokens)
        for jet in 0..<offsets.jets { rows += offsets[jet].dropFirst(registers).lazy.map { Int32($0) } }
        return tape.gatherRows([output], index: rows)
    }
}

/// Trains a downstream task on a backbone.
package final class DownstreamObjective: Predicting {
    package let parameters: ParameterStore
    private let backbone: DownstreamBackbone
    /// The task.
    package let task: any DownstreamTask

    package init(_ options: DownstreamOptions, _ jets: JetShape, seed: UInt64) {
        let builder = ParameterBuilder()
        backbone = DownstreamBackbone(options.backbone, options.fineTuning, jets, seed: seed, in: builder)
        task = options.task.make(width: backbone.width, jets, seed: seed, in: builder.root.scope("head"))
        parameters = builder.build(seed: seed)
    }

    package var terms: [LossTerm] { task.terms }
    package func learningRateFactors(step: Int) -> [Double] { backbone.learningRateFactors(step: step) }

    package func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch {
        MicroBatch(counts: task.counts(batch, phase: phase)) { [backbone, task] scales, tape in
            task.evaluate(backbone(batch, phase: phase, on: tape), batch, phase: phase, scales: scales, on: tape)
        }
    }

    package func predict(_ batch: JetBatch, _ preprocessing: any Preprocessing) -> Predictions {
        task.predict(backbone(batch, phase: .validation, on: Tape(recording: false)), batch)
    }

    package func measures(of predictions: Predictions) -> [Measure] { task.measures(of: predictions) }
    package func tables(of predictions: Predictions) -> [String: [[Double]]] { task.tables(of: predictions) }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        try task.fit(to: jets, on: communicator, report: report)
    }

    package var state: ObjectiveState {
        var state = backbone.state
        state["task"] = task.state
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        try backbone.restore(state)
        try task.restore(state["task"])
    }

    package func adopt(backbone state: ObjectiveState) throws { try backbone.restore(state) }
}

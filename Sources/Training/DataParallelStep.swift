import Distributed
import Jets
import MPI
import NN
import Objectives
import Runs
import Supervision
import System
import Tensors

/// One training step on all ranks: the micro-batches of this rank forward and backward, gradients and losses
/// summed over the ranks, clipping, and the optimizer's update, the same on every rank.
package final class DataParallelStep {
    /// What a step found, equal on all ranks.
    package struct Report {
        /// The mean of every term over the global batch; nil for one that was not asked for.
        package var losses: [Double?]
        /// The norm of the gradient before clipping.
        package var gradientNorm: Double
        /// Whether the loss or the gradient is not finite, so that nothing was updated.
        package var isSkipped: Bool
    }

    private let objective: any Objective
    private let optimizer: AdamW
    private let gradientClip: Double?
    private let reducer: GradientReducer
    /// What adds the gradients instead in a deterministic run.
    private let tree: FixedTreeSum?
    private let sharding: Sharding
    private let precision: Precision
    private let communicator: Communicator
    private let benchmarkProfile: OperationProfile?
    private let trace: StepTrace?
    private let progress: ProgressTracker
    private let anomalies: AnomalyDetector?
    /// Floating-point operations of the matrix products of this rank so far.
    package private(set) var operations = 0.0

    private var profile: OperationProfile? { trace?.isRecording == true ? trace!.operations : benchmarkProfile }

    /// What the backward passes of this rank did not hide of the sums of the gradients, so far [s].
    package var exposedCommunication: Double { (tree?.exposed ?? reducer.exposed) / .seconds(1) }

    /// - Parameters:
    ///   - precision: what the matrix products multiply.
    ///   - profile: where to note what the time of the steps goes to.
    ///   - trace: where to note what this rank does, and when.
    ///   - progress: where to note what this rank is busy with.
    ///   - detectsAnomalies: whether to look for the first value that is not finite.
    package init(
        _ objective: any Objective, optimizer: AdamW, gradientClip: Double?, on communicator: Communicator,
        parallel: RunOptions.Parallel, sharding: Sharding, precision: Precision, profile: OperationProfile? = nil,
        trace: StepTrace? = nil, progress: ProgressTracker = ProgressTracker(), detectsAnomalies: Bool = false
    ) throws {
        self.objective = objective
        self.optimizer = optimizer
        self.gradientClip = gradientClip
        self.communicator = communicator
        self.precision = precision
        benchmarkProfile = profile
        self.trace = trace
        self.progress = progress
        let parameters = objective.parameters
        anomalies = detectsAnomalies
            ? AnomalyDetector { parameters.index(of: $0).map { parameters.parameters[$0].name } } : nil
        self.sharding = sharding
        reducer = try GradientReducer(
            objective.parameters, on: communicator, overlaps: parallel.overlap, precision: parallel.reducePrecision)
        reducer.observer = trace
        tree = sharding.isDeterministic ? FixedTreeSum(objective.parameters.gradients, on: communicator) : nil
    }

    /// Runs step `number` (counted from 1) on this rank's micro-batches, shard by shard, of which there may be
    /// none; collective.
    ///
    /// - Parameter factors: what the learning rate of each group of parameters is multiplied by; 0 freezes one.
    ///
    /// Returns nil, on every rank and with nothing done, when `shouldStop` is true on any. Throws
    /// `AgreedError` when the micro-batches of any rank cannot be had. Where the loss or the gradient is not
    /// finite, all ranks leave parameters and optimizer as they are.
    package func callAsFunction(
        _ microBatches: () throws -> [[MicroBatch]], learningRate: Double, factors: [Double]? = nil, number: Int,
        shouldStop: Bool = false
    ) throws -> Report? {
        profile?.restart()
        reducer.frozenGroups = Set((factors ?? []).indices.filter { factors![$0] == 0 })
        progress.enter(.reading, step: number)
        let parts = Result(catching: microBatches)
        profile?.lap("jets and masks")
        progress.enter(.summing)
        let counts = try trace.span("agreement on the step") { try agree(on: parts, shouldStop: shouldStop) }
        guard let counts else { return nil }
        let losses = try propagate(parts.get(), counts: counts)
        try tellAnomaly(number: number)

        progress.enter(.computing)
        let norm = objective.parameters.gradients.sumOfSquares.squareRoot()
        let isFinite = norm.isFinite && losses.allSatisfy { $0?.isFinite ?? true }
        profile?.lap("gradient norm")
        if isFinite {
            optimizer.step(
                learningRate: learningRate, factors: factors,
                gradientScale: clippingFactor(norm: norm, limit: gradientClip))
            profile?.lap("optimizer")
        }
        return Report(losses: losses, gradientNorm: norm, isSkipped: !isFinite)
    }

    /// What is not finite in a step that was skipped.
    package func complaint(_ report: Report, number: Int) -> String {
        let terms = zip(objective.terms, report.losses).compactMap { term, loss in
            loss.map { "\(term.name) loss \($0)" }
        }
        return "step \(number): the loss or the gradient is not finite (\(terms.joined(separator: ", ")), "
            + "gradient norm \(report.gradientNorm))"
    }

    /// The time that the sums of the gradients take with nothing to hide behind [s]; collective.
    package func measuredCommunication() throws -> Double {
        try communicator.barrier()
        return try ContinuousClock().measure {
            if let tree { return try tree.finish() }
            reducer.arm()
            try reducer.finish()
        } / .seconds(1)
    }

    /// What each term is averaged over on all ranks; nil when a rank wants to stop. Failures and wishes of
    /// single ranks travel with the counts, so that all ranks learn of them before any enters the collectives
    /// of the step.
    private func agree(on parts: Result<[[MicroBatch]], any Error>, shouldStop: Bool) throws -> [Double]? {
        var failure: String?
        var counts = Array(repeating: 0.0, count: objective.terms.count)
        switch parts {
        case .success(let parts): for part in parts.joined() { counts.add(part.counts) }
        case .failure(let error): failure = "\(error)"
        }
        let sums = try communicator.allReduce(counts + [failure == nil ? 0 : 1, shouldStop ? 1 : 0])
        if sums[counts.count] > 0 {
            // The text names the rank already.
            let first = try communicator.allReduce(
                failure == nil ? communicator.size : communicator.rank, .minimum)
            throw AgreedError(message: try communicator.broadcast(failure ?? "", from: first))
        }
        return sums[counts.count + 1] > 0 ? nil : Array(sums.prefix(counts.count))
    }

    /// Leaves the gradient of the total loss over all ranks in the parameters, and returns the mean of every
    /// term.
    private func propagate(_ shards: [[MicroBatch]], counts: [Double]) throws -> [Double?] {
        let scales = zip(objective.terms, counts).map { Float($1 > 0 ? $0.weight / $1 : 0) }
        var losses: [[Double]] = []
        for (index, parts) in shards.enumerated() {
            losses.append(propagate(parts, scales: scales))
            if let tree {
                objective.parameters.zeroUnusedGradients()
                tree.add(isLast: index == shards.count - 1)
            }
        }
        progress.enter(.summing)
        if let tree { try tree.finish() } else { try reducer.finish() }
        let sums = try sharding.sum(losses)
        profile?.lap("waiting for sums")
        return zip(sums, counts).map { $1 > 0 ? $0 / $1 : nil }
    }

    /// Throws `AgreedError` when a value was not finite on any rank.
    private func tellAnomaly(number: Int) throws {
        guard let anomalies else { return }
        let first = try communicator.allReduce(
            anomalies.finding == nil ? communicator.size : communicator.rank, .minimum)
        guard first < communicator.size else { return }
        throw AgreedError(
            message: "rank \(first), step \(number): "
                + (try communicator.broadcast(anomalies.finding ?? "", from: first)))
    }

    /// Leaves the gradient of a shard in the parameters, and returns the sum of every term.
    private func propagate(_ parts: [MicroBatch], scales: [Float]) -> [Double] {
        objective.parameters.resetGradients()
        var losses = Array(repeating: 0.0, count: scales.count)
        if parts.isEmpty, tree == nil { reducer.arm() }
        for (index, part) in parts.enumerated() {
            progress.enter(.computing)
            let tape = Tape(profile: profile, anomalies: anomalies, precision: precision)
            tape.onGradientComplete = { [reducer] in reducer.gradientIsComplete($0) }
            let found = trace.span("forward \(index + 1)") { part.evaluate(scales, tape) }
            for (term, loss) in zip(objective.terms, found) where !loss.isFinite {
                anomalies?.note("the \(term.name) loss is \(loss)")
            }
            losses.add(found)
            if index == parts.count - 1, tree == nil { reducer.arm() }
            trace.span("backward \(index + 1)") { tape.backward() }
            operations += tape.operations
        }
        return losses
    }
}

extension Objective {
    /// Cuts every shard of the jets of a rank into micro-batches of `size` and prepares each.
    package func microBatches(
        _ batch: JetBatch, shards: [Range<Int>], size: Int, phase: Phase
    ) -> [[MicroBatch]] {
        shards.map { shard in
            stride(from: shard.lowerBound, to: shard.upperBound, by: size).map {
                prepare(batch.slice(jets: $0..<min($0 + size, shard.upperBound)), phase: phase)
            }
        }
    }
}

extension [Double] {
    /// Adds element by element.
    package mutating func add(_ other: [Double]) {
        invariant(count == other.count, "\(other.count) values for \(count) sums")
        for index in indices { self[index] += other[index] }
    }
}

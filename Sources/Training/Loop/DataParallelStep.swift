import Distributed
import Jets
import MPI
import NN
import Objectives
import Runs
import Supervision
import System
import Tensors

/// One training step on all ranks: forward and backward passes of this rank's micro-batches, sums of gradients and
/// losses over the ranks, gradient clipping, and the update of the elements that the rank owns.
package final class DataParallelStep {
    /// Result of a step, equal on all ranks.
    package struct Report {
        /// Mean of each term over the global batch; nil for a term with count 0.
        package var losses: [Double?]
        /// Norm of the gradient before clipping.
        package var gradientNorm: Double
        /// True if the loss or the gradient is not finite, so that nothing was updated.
        package var isSkipped: Bool
    }

    /// Settings of the steps of a run.
    package struct Settings {
        /// Largest norm of the gradient; nil for no limit.
        package var gradientClip: Double?
        package var gradientSum: GradientSumOptions
        /// Precision of the matrix products.
        package var precision: Precision
        /// True to search for the first value that is not finite.
        package var detectsAnomalies = false

        /// - Parameter precision: the precision that all ranks support.
        package init(_ options: RunOptions, precision: Precision) {
            gradientClip = options.optimizer.gradientClip
            gradientSum = options.parallel.gradientSum
            self.precision = precision
        }
    }

    /// Recorders of the time that steps take.
    package struct Instruments {
        package var profile: OperationProfile?
        package var trace: StepTrace?
        /// The current activity of the rank, which its watchdog monitors.
        package var progress: ProgressTracker

        package init(
            profile: OperationProfile? = nil, trace: StepTrace? = nil, progress: ProgressTracker = ProgressTracker()
        ) {
            (self.profile, self.trace, self.progress) = (profile, trace, progress)
        }
    }

    private let objective: any Objective
    private let parameters: DistributedParameters
    private let optimizer: any Optimizer
    private let sharding: Sharding
    private let settings: Settings
    private let instruments: Instruments
    private let gradientSum: any GradientSum
    private let anomalies: AnomalyDetector?
    private var exposed = Duration.zero
    private var updating = Duration.zero
    private var lastBackward = Duration.zero
    /// Floating-point operations of the matrix products of this rank so far.
    package private(set) var operations = 0.0

    private var communicator: Communicator { parameters.ranks.all }
    private var trace: StepTrace? { instruments.trace }
    private var progress: ProgressTracker { instruments.progress }
    private var profile: OperationProfile? {
        if let trace, trace.isRecording { return trace.operations }
        return instruments.profile
    }

    /// Time so far that this rank has waited for gradient sums after its backward passes, and for new weights [s].
    package var exposedCommunication: Double { exposed / .seconds(1) }

    /// Time so far of gradient norms, including the wait for those of other ranks, clipping and updates [s].
    package var updateTime: Double { updating / .seconds(1) }

    /// Time so far of the last backward pass of each shard, during which gradients are sent [s].
    package var lastBackwardTime: Double { lastBackward / .seconds(1) }

    /// Collective. Throws `MPIError`.
    ///
    /// - Parameters:
    ///   - parameters: those of the objective.
    ///   - optimizer: updates the elements that this rank owns.
    package init(
        _ objective: any Objective, _ parameters: DistributedParameters, optimizer: any Optimizer, sharding: Sharding,
        settings: Settings, instruments: Instruments = Instruments()
    ) throws {
        invariant(optimizer.state.elements == parameters.owned, "an optimizer of elements that the rank does not own")
        self.objective = objective
        self.parameters = parameters
        self.optimizer = optimizer
        self.sharding = sharding
        self.settings = settings
        self.instruments = instruments
        let store = parameters.store
        anomalies =
            settings.detectsAnomalies
            ? AnomalyDetector { store.index(of: $0).map { store.parameters[$0].name } } : nil
        gradientSum = makeGradientSum(of: parameters, settings.gradientSum, observer: instruments.trace)
    }

    /// Runs step `number` (counted from 1) on this rank's micro-batches; collective.
    ///
    /// Returns nil, on all ranks and with nothing done, when `shouldStop` is true on any rank. If the loss or the
    /// gradient is not finite, all ranks leave parameters and optimizer unchanged. Throws `AgreedError` when the
    /// micro-batches of any rank cannot be prepared.
    ///
    /// - Parameters:
    ///   - microBatches: prepares the micro-batches of each shard, of which there may be none.
    ///   - factors: factor on the learning rate for each parameter group; a group with factor 0 is frozen.
    package func callAsFunction(
        _ microBatches: () throws -> [[MicroBatch]], learningRate: Double, factors: [Double]? = nil, number: Int,
        shouldStop: Bool = false
    ) throws -> Report? {
        profile?.restart()
        progress.enter(.reading, step: number)
        let shards = Result(catching: microBatches)
        profile?.lap("jets and masks")
        progress.enter(.summing)
        let counts = try trace.span("agreement on the step") { try agree(on: shards, shouldStop: shouldStop) }
        guard let counts else { return nil }
        let frozen = Set((factors ?? []).indices.filter { factors![$0] == 0 })
        let losses = try parameters.withLayouts {
            profile?.lap("layout of the weights")
            return try propagate(shards.get(), counts: counts, frozenGroups: frozen)
        }
        try throwAnomaly(number: number)

        let begin = ContinuousClock.now
        let norm = try gradientSum.sumOfSquares().squareRoot()
        progress.enter(.computing)
        let isFinite = norm.isFinite && losses.allSatisfy { $0?.isFinite ?? true }
        profile?.lap("gradient norm")
        if isFinite {
            optimizer.step(
                learningRate: learningRate, factors: factors,
                gradientScale: clippingFactor(norm: norm, limit: settings.gradientClip))
            profile?.lap("optimizer")
            updating += begin.duration(to: .now)
            progress.enter(.summing)
            exposed += try ContinuousClock().measure { try parameters.publish() }
            profile?.lap("waiting for weights")
        }
        return Report(losses: losses, gradientNorm: norm, isSkipped: !isFinite)
    }

    /// Describes the values of a skipped step.
    package func complaint(_ report: Report, number: Int) -> String {
        let terms = zip(objective.terms, report.losses).compactMap { term, loss in
            loss.map { "\(term.name) loss \(rounded($0, digits: 6))" }
        }
        return "step \(number): the loss or the gradient is not finite (\(terms.joined(separator: ", ")), "
            + "gradient norm \(rounded(report.gradientNorm, digits: 6)))"
    }

    /// Time of a gradient sum that does not overlap with a backward pass, and of the exchange of weights [s];
    /// collective.
    package func measuredCommunication() throws -> Double {
        try communicator.barrier()
        return try ContinuousClock().measure {
            gradientSum.begin(frozenGroups: [])
            try gradientSum.finish()
            try parameters.publish()
        } / .seconds(1)
    }

    /// Contribution of one rank to the agreement before a step, and the sum over all ranks.
    private struct Agreement {
        /// Counts by which the terms are normalised.
        var counts: [Double]
        /// Number of ranks whose micro-batches could not be prepared.
        var failures = 0.0
        /// Number of ranks that request a stop.
        var stopRequests = 0.0

        func summed(on communicator: Communicator) throws -> Agreement {
            let sums = try communicator.allReduce([failures, stopRequests] + counts)
            return Agreement(counts: Array(sums.dropFirst(2)), failures: sums[0], stopRequests: sums[1])
        }
    }

    /// Counts by which the terms are normalised, summed over all ranks; nil when a rank requests a stop.
    ///
    /// All ranks learn here of failures and requests of single ranks, before any enters the collectives of the step.
    private func agree(on shards: Result<[[MicroBatch]], any Error>, shouldStop: Bool) throws -> [Double]? {
        var own = Agreement(counts: Array(repeating: 0, count: objective.terms.count))
        var failure: String?
        switch shards {
        case .success(let shards): for part in shards.joined() { own.counts.add(part.counts) }
        case .failure(let error): failure = "\(error)"
        }
        own.failures = failure == nil ? 0 : 1
        own.stopRequests = shouldStop ? 1 : 0
        let all = try own.summed(on: communicator)
        if all.failures > 0 {
            // Errors of reading and of memory name the rank.
            let first = try communicator.allReduce(
                failure == nil ? communicator.size : communicator.rank, .minimum)
            throw AgreedError(message: try communicator.broadcast(failure ?? "", from: first))
        }
        return all.stopRequests > 0 ? nil : all.counts
    }

    /// Leaves the gradient of the total loss over all ranks in the parameters, and returns the mean of each term.
    private func propagate(
        _ shards: [[MicroBatch]], counts: [Double], frozenGroups: Set<Int>
    ) throws -> [Double?] {
        let scales = zip(objective.terms, counts).map { Float($1 > 0 ? $0.weight / $1 : 0) }
        var losses: [[Double]] = []
        for (index, parts) in shards.enumerated() {
            losses.append(propagate(parts, scales: scales, frozenGroups: frozenGroups))
            gradientSum.endShard(isLast: index == shards.count - 1)
        }
        progress.enter(.summing)
        exposed += try ContinuousClock().measure { try gradientSum.finish() }
        let sums = try sharding.sum(losses)
        profile?.lap("waiting for sums")
        return zip(sums, counts).map { $1 > 0 ? $0 / $1 : nil }
    }

    /// Leaves the gradient of a shard in the parameters, and returns the sum of each term.
    private func propagate(_ parts: [MicroBatch], scales: [Float], frozenGroups: Set<Int>) -> [Double] {
        objective.parameters.resetGradients()
        var losses = Array(repeating: 0.0, count: scales.count)
        if parts.isEmpty { gradientSum.begin(frozenGroups: frozenGroups) }
        for (index, part) in parts.enumerated() {
            progress.enter(.computing)
            let tape = Tape(profile: profile, anomalies: anomalies, precision: settings.precision)
            tape.onGradientComplete = { [gradientSum] in gradientSum.gradientIsComplete($0) }
            let found = trace.span("forward \(index + 1)") { part.evaluate(scales, tape) }
            for (term, loss) in zip(objective.terms, found) where !loss.isFinite {
                anomalies?.note("the \(term.name) loss is \(loss)")
            }
            losses.add(found)
            let isLast = index == parts.count - 1
            if isLast { gradientSum.begin(frozenGroups: frozenGroups) }
            let time = ContinuousClock().measure {
                trace.span("backward \(index + 1)") { tape.backward() }
            }
            if isLast { lastBackward += time }
            operations += tape.operations
        }
        return losses
    }

    /// Throws `AgreedError` when a value was not finite on any rank.
    private func throwAnomaly(number: Int) throws {
        guard let anomalies else { return }
        let first = try communicator.allReduce(
            anomalies.finding == nil ? communicator.size : communicator.rank, .minimum)
        guard first < communicator.size else { return }
        throw AgreedError(
            message: "rank \(first), step \(number): "
                + (try communicator.broadcast(anomalies.finding ?? "", from: first)))
    }
}

extension [Double] {
    /// Adds element by element.
    package mutating func add(_ other: [Double]) {
        invariant(count == other.count, "\(other.count) values for \(count) sums")
        for index in indices { self[index] += other[index] }
    }
}

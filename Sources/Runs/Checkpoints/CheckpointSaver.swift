import Foundation
import Jets
import NN
import Synchronization
import System

/// Writes the checkpoints of a run on rank 0, from a copy, in the background, one at a time.
///
/// A save that fails leaves earlier checkpoints unchanged and prints a warning; the next save is a new attempt.
package final class CheckpointSaver: Sendable {
    /// Contents of a checkpoint.
    package struct Content: @unchecked Sendable {
        // Unchecked, because the background thread reads only names and shapes of the store, which never change.
        package let parameters: ParameterStore
        package let fitted: FittedState
        package let values: TrainedValues
        package var state: TrainingState
        /// Selecting validation loss at this step; nil if it was not measured.
        package let validationLoss: Double?
    }

    private struct Record {
        var best: TrainingState.Best?
        /// True if weights with a lower loss than `best` were counted as the lowest, but are in no checkpoint.
        var isLowestLost: Bool
        /// Memory of the copy, allocated in advance because allocating it takes longer than filling it.
        var copy: TrainedValues?
        /// Memory of the state that is collected from all ranks.
        var collected: OptimizerState?
        /// Time of the slowest save [s].
        var seconds: Double
    }

    private let directory: RunDirectory
    private let metrics: MetricsFile
    private let order: String
    private let options: RunOptions
    private let console: Console
    /// Nil in a job of one rank.
    private let collector: OptimizerStateCollector?
    private let task = BackgroundTask()
    private let record: Mutex<Record>

    /// Points `checkpoints/best` to the best checkpoint of the run so far. Throws `KaonError` or `HDF5Error`.
    ///
    /// - Parameter collector: collects the optimizer's state from all ranks; nil in a job of one rank.
    package init(
        _ directory: RunDirectory, _ metrics: MetricsFile, _ run: PreparedRun, _ collector: OptimizerStateCollector?,
        order: JetOrder, options: RunOptions, console: Console
    ) throws {
        self.directory = directory
        self.metrics = metrics
        self.order = order.summary
        self.options = options
        self.console = console
        self.collector = collector
        let best = try directory.restoreBest(run.state.best)
        if let gone = run.state.best, best == nil {
            console.say(
                "the best checkpoint so far, of step \(gone.step), is missing in \(directory.path)/checkpoints, "
                    + "damaged, or of another continuation of the run: the best of the next ones takes its place")
        }
        // Without early stopping, the weights of most validations are not saved.
        let isLowestLost = run.state.lowest.map { $0 < best?.loss ?? .infinity } ?? false
        // Estimate for a slow disk, until a save has been measured.
        let values = TrainedValues(of: run.optimizer)
        record = Mutex(
            Record(
                best: best, isLowestLost: isLowestLost, copy: values.copy(), seconds: Double(values.bytes) / 50e6))
    }

    /// The checkpoint with the lowest validation loss so far.
    package var best: TrainingState.Best? { record.withLock { $0.best } }

    /// Waits for a save that is in progress. Returns the loss of the best checkpoint, infinite without one, if weights
    /// with a lower loss have been lost since the last call, because their save failed or because an earlier start did
    /// not save them; otherwise nil.
    func lossAfterFailure() -> Double? {
        finish()
        return record.withLock { record in
            defer { record.isLowestLost = false }
            return record.isLowestLost ? record.best?.loss ?? .infinity : nil
        }
    }

    /// Time of the slowest save [s].
    package var slowestSave: Double { record.withLock { $0.seconds } }

    /// Copies the values and writes them in the background, after the previous save has ended; prints a warning on
    /// failure. The other ranks send their shares of the optimizer's state at the same time.
    package func start(_ content: Content) {
        finish()
        let copy = content.values.copy(reusing: record.withLock { $0.copy.take() })
        record.withLock { $0.copy = copy }
        // The other ranks send their shares even if this rank cannot write.
        let collected = collector?.worksInBackground == false ? collect(copy, content.parameters) : nil
        // Pending rows are written by this thread only.
        let flushed = Result { try metrics.flush() }
        task.start { [self] in
            let values = collected ?? collect(copy, content.parameters)
            do {
                try flushed.get()
                try save(content, values)
            } catch {
                warn(content, error)
            }
        }
    }

    /// Writes a checkpoint now, while the other ranks send their shares of the optimizer's state. Throws `KaonError`
    /// with the reason and the free space.
    package func saveNow(_ content: Content) throws {
        finish()
        let values = collect(content.values, content.parameters)
        do {
            try metrics.flush()
            try save(content, values)
        } catch {
            throw KaonError(failure(content.state.step, error))
        }
    }

    /// The values of all elements.
    private func collect(_ values: TrainedValues, _ parameters: ParameterStore) -> TrainedValues {
        guard let collector else { return values }
        let all = collector.collect(
            values.optimizer, for: parameters, reusing: record.withLock { $0.collected.take() }, console: console)!
        record.withLock { $0.collected = all }
        return TrainedValues(parameters: values.parameters, optimizer: all)
    }

    /// Waits for a save that is in progress.
    package func finish() { task.finish() }

    private func save(_ content: Content, _ values: TrainedValues) throws {
        let begin = ContinuousClock.now
        guard values.isFinite else {
            throw KaonError("the parameters or the optimizer's state are not finite")
        }
        try directory.checkIsOwn()
        // A resumed run keeps the rows of metrics up to its checkpoint.
        try metrics.synchronize()
        var state = content.state
        state.best = record.withLock { $0.best }
        if let loss = content.validationLoss, loss < state.best?.loss ?? .infinity {
            state.best = TrainingState.Best(step: state.step, loss: loss)
        }
        let path = directory.checkpoint(step: state.step)
        try Checkpoint.write(
            to: path, parameters: content.parameters, values: values, state: state,
            configuration: options.resolved, provenance: Provenance(seed: options.seed)
        ) { group in
            try content.fitted.save(to: group)
            try group.setAttribute("order", to: order)
        }
        try directory.setLatest(step: state.step)
        if state.best?.step == state.step { try directory.setBest(step: state.step) }
        record.withLock { $0.best = state.best }
        // While steps are being skipped, the checkpoints before them may be the only good ones.
        if state.skippedInARow == 0 {
            directory.removeCheckpoints(
                before: state.step, keepingLast: options.training.keepLast, every: options.training.keepEvery,
                best: state.best?.step, resumed: options.run.resumedCheckpoint)
        }
        record.withLock { $0.seconds = max($0.seconds, begin.duration(to: .now) / .seconds(1)) }
        console.say("step \(state.step): checkpoint \(path)")
    }

    private func warn(_ content: Content, _ error: any Error) {
        let (step, interval) = (content.state.step, options.training.checkpointInterval)
        var text =
            failure(step, error)
            + "; training continues, and the next attempt is at step \((step / interval + 1) * interval)"
        let best = best
        if let loss = content.validationLoss, loss < best?.loss ?? .infinity {
            record.withLock { $0.isLowestLost = true }
            if options.training.earlyStoppingPatience != nil {
                text += " or at the next validation"
                if let best, best.loss.isFinite { text += " with a loss below \(rounded(best.loss, decimals: 4))" }
            }
            text += "; the weights of step \(step), the best so far, are lost"
        }
        console.warn(text)
    }

    private func failure(_ step: Int, _ error: any Error) -> String {
        let latest = directory.latestCheckpoint.map { "; the last checkpoint is \($0)" } ?? ""
        return "step \(step): no checkpoint was written: \(error) (\(directory.freeSpace))\(latest)"
    }
}

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

    /// - Parameter collector: collects the optimizer's state from all ranks; nil in a job of one rank.
    package init(
        _ directory: RunDirectory, _ metrics: MetricsFile, _ run: PreparedRun, _ collector: OptimizerStateCollector?,
        order: JetOrder, options: RunOptions, console: Console
    ) {
        self.directory = directory
        self.metrics = metrics
        self.order = order.summary
        self.options = options
        self.console = console
        self.collector = collector
        // Estimate for a slow disk, until a save has been measured.
        let values = TrainedValues(of: run.optimizer)
        record = Mutex(
            Record(best: run.state.best, copy: values.copy(), seconds: Double(values.bytes) / 50e6))
    }

    /// The checkpoint with the lowest validation loss so far.
    package var best: TrainingState.Best? { record.withLock { $0.best } }

    /// Time of the slowest save [s].
    package var slowestSave: Double { record.withLock { $0.seconds } }

    /// Copies the values and writes them in the background, after the previous save has ended; prints a warning on
    /// failure. The other ranks send their shares of the optimizer's state at the same time.
    package func start(_ content: Content) {
        finish()
        let copy = content.values.copy(reusing: record.withLock { $0.copy.take() })
        record.withLock { $0.copy = copy }
        // The other ranks send their shares even if this rank cannot write.
        let collected = collector?.worksInBackground == false ? Result { try collect(copy, content.parameters) } : nil
        // Pending rows are written by this thread only.
        let flushed = Result { try metrics.flush() }
        task.start { [self] in
            do {
                let values = try (collected ?? Result { try collect(copy, content.parameters) }).get()
                try flushed.get()
                try save(content, values)
            } catch {
                warn(content.state.step, error)
            }
        }
    }

    /// Writes a checkpoint now, while the other ranks send their shares of the optimizer's state. Throws `KaonError`
    /// with the reason and the free space.
    package func saveNow(_ content: Content) throws {
        finish()
        do {
            let values = try collect(content.values, content.parameters)
            try metrics.flush()
            try save(content, values)
        } catch {
            throw KaonError(failure(content.state.step, error))
        }
    }

    /// The values of all elements.
    private func collect(_ values: TrainedValues, _ parameters: ParameterStore) throws -> TrainedValues {
        guard let collector else { return values }
        let all = try collector.collect(
            values.optimizer, for: parameters, reusing: record.withLock { $0.collected.take() })!
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
                best: state.best?.step)
        }
        record.withLock { $0.seconds = max($0.seconds, begin.duration(to: .now) / .seconds(1)) }
        console.say("step \(state.step): checkpoint \(path)")
    }

    private func warn(_ step: Int, _ error: any Error) {
        let interval = options.training.checkpointInterval
        console.warn(
            failure(step, error)
                + "; training continues, and the next attempt is at step \((step / interval + 1) * interval)")
    }

    private func failure(_ step: Int, _ error: any Error) -> String {
        let latest = directory.latestCheckpoint.map { "; the last checkpoint is \($0)" } ?? ""
        return "step \(step): no checkpoint was written: \(error) (\(directory.freeSpace))\(latest)"
    }
}

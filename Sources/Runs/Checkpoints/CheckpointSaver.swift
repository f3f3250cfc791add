import Foundation
import Jets
import NN
import Synchronization
import System

/// Writes the checkpoints of a run on rank 0: from a copy, in the background, one at a time.
///
/// A save that fails leaves what is there as it is, and is told; the next one tries again.
package final class CheckpointSaver: Sendable {
    /// What a checkpoint is written from.
    package struct Content: @unchecked Sendable {
        // Unchecked, because the thread that writes sees of the store what never changes: names and shapes.
        package let parameters: ParameterStore
        package let fitted: FittedState
        package let values: TrainedValues
        package var state: TrainingState
        /// The validation loss at this step, if it was measured.
        package let validationLoss: Double?
    }

    private struct Record {
        var best: TrainingState.Best?
        /// The memory of copies, there from the start: to get hold of much of it takes longer than to fill it.
        var copy: TrainedValues?
        var seconds: Double
    }

    private let directory: RunDirectory
    private let metrics: MetricsFile
    private let order: String
    private let options: RunOptions
    private let console: Console
    private let task = BackgroundTask()
    private let record: Mutex<Record>

    package init(
        _ directory: RunDirectory, _ metrics: MetricsFile, _ state: TrainingState,
        _ values: TrainedValues, order: JetOrder, options: RunOptions, console: Console
    ) {
        self.directory = directory
        self.metrics = metrics
        self.order = order.summary
        self.options = options
        self.console = console
        // Twelve bytes a parameter on a slow disk, until a save was measured.
        record = Mutex(
            Record(
                best: state.best, copy: TrainedValues(copying: values),
                seconds: 12 * Double(values.parameters.count) / 50e6))
    }

    /// The time that the slowest save took [s].
    package var slowestSave: Double { record.withLock { $0.seconds } }

    /// Copies everything and writes it in the background, once the save before has ended; a failure is told
    /// as a warning.
    package func start(_ content: Content) {
        finish()
        do {
            let copy = TrainedValues(copying: content.values, reusing: record.withLock { $0.copy.take() })
            record.withLock { $0.copy = copy }
            // Rows that wait for room are written by this thread alone.
            try metrics.flush()
            let content = Content(
                parameters: content.parameters, fitted: content.fitted, values: copy, state: content.state,
                validationLoss: content.validationLoss)
            task.start { [self] in
                do { try save(content) } catch { warn(content.state.step, error) }
            }
        } catch {
            warn(content.state.step, error)
        }
    }

    /// Writes everything now. Throws `KaonError` with the reason and the space that is left.
    package func saveNow(_ content: Content) throws {
        finish()
        do {
            try metrics.flush()
            try save(content)
        } catch {
            throw KaonError(failure(content.state.step, error))
        }
    }

    /// Waits for the save that is on its way.
    package func finish() { task.finish() }

    private func save(_ content: Content) throws {
        let begin = ContinuousClock.now
        guard content.values.isFinite else {
            throw KaonError("the parameters or the optimizer's averages are not finite")
        }
        try directory.checkIsOwn()
        // A checkpoint counts on the rows of metrics before it.
        try metrics.synchronize()
        var state = content.state
        state.best = record.withLock { $0.best }
        if let loss = content.validationLoss, loss < state.best?.loss ?? .infinity {
            state.best = TrainingState.Best(step: state.step, loss: loss)
        }
        let path = directory.checkpoint(step: state.step)
        try Checkpoint.write(
            to: path, content.parameters, content.values, state: state,
            configuration: options.resolved
        ) { group in
            try content.fitted.save(to: group)
            try group.setAttribute("order", to: order)
        }
        try directory.setLatest(step: state.step)
        if state.best?.step == state.step { try directory.setBest(step: state.step) }
        record.withLock { $0.best = state.best }
        // While steps are skipped, what was before them may be all that is good.
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
            failure(step, error) + "; training goes on, and step \((step / interval + 1) * interval) tries again")
    }

    private func failure(_ step: Int, _ error: any Error) -> String {
        let latest = directory.latestCheckpoint.map { "; the last checkpoint is \($0)" } ?? ""
        return "step \(step): no checkpoint was written: \(error) (\(directory.freeSpace))\(latest)"
    }
}

import Distributed
import Foundation
import HDF5
import MPI
import System
import Tensors

/// Timeline of one rank during some steps, in the file format of chrome://tracing and Perfetto
/// ([description](https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU)).
///
/// The training loop has one row of nested bars: steps, their phases, and operations. The rows below show the gradient
/// messages in flight. Only the thread of the training loop may write to a trace.
package final class StepTrace: SumObserver {
    private struct Event: Encodable {
        var name: String
        var cat: String
        var ph = "X"
        /// Start and duration [µs].
        var ts = 0.0
        var dur: Double?
        var pid: Int
        var tid = 0
        var args: [String: Argument] = [:]
    }

    private enum Argument: Encodable {
        case number(Double)
        case text(String)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .number(let number): try container.encode(number)
            case .text(let text): try container.encode(text)
            }
        }
    }

    private struct File: Encodable {
        let displayTimeUnit = "ms"
        let traceEvents: [Event]
    }

    /// The recorded steps, counted from 1.
    package let steps: ClosedRange<Int>
    private let rank: Int
    private let origin = ContinuousClock.now
    private var events: [Event] = []
    /// The step that is being recorded, its start and the index of its first event.
    private var current: (step: Int, begin: Double, first: Int)?
    /// Time of the last start or end of a bar; an operation, which is noted at its end, cannot start earlier.
    private var floor = 0.0
    private var begins: [Int: (time: Double, elements: Int)] = [:]

    /// Profile for the tapes of a recorded step.
    private(set) lazy var operations: OperationProfile = {
        let profile = OperationProfile()
        profile.onLap = { [unowned self] in noteOperation($0, from: $1, to: $2, operations: $3) }
        return profile
    }()

    package init(steps: ClosedRange<Int>, rank: Int) {
        (self.steps, self.rank) = (steps, rank)
    }

    package var isRecording: Bool { current != nil }

    /// Starts a step, which is recorded if it is in `steps`.
    package func begin(step: Int) {
        guard steps.contains(step) else { return }
        floor = time(.now)
        current = (step, floor, events.count)
    }

    /// Ends the step; one that is not done is discarded.
    package func end(isDone: Bool = true) {
        guard let (step, begin, first) = current else { return }
        current = nil
        begins = [:]
        if isDone {
            append("step \(step)", "step", from: begin, to: time(.now))
        } else {
            events.removeSubrange(first...)
        }
    }

    /// Runs a phase of a step, with a bar of its own.
    fileprivate func span<R>(_ name: String, _ work: () throws -> R) rethrows -> R {
        guard isRecording else { return try work() }
        let begin = time(.now)
        floor = begin
        defer {
            floor = time(.now)
            append(name, "phase", from: begin, to: floor)
        }
        return try work()
    }

    /// Records the start of gradient message `number` of the step.
    package func sumDidBegin(_ number: Int, elements: Int) {
        if isRecording { begins[number] = (time(.now), elements) }
    }

    /// Records that the loop has found the message summed.
    package func sumDidEnd(_ number: Int, inFlight rows: Int) {
        guard let (begin, elements) = begins.removeValue(forKey: number) else { return }
        append(
            "all-reduce \(number + 1)", "sum", from: begin, to: time(.now), row: 1 + number % rows,
            ["bytes": .number(Double(elements * MemoryLayout<Float>.stride))])
    }

    private func noteOperation(
        _ name: String, from begin: ContinuousClock.Instant, to end: ContinuousClock.Instant, operations: Double
    ) {
        guard isRecording else { return }
        let last = time(end)
        append(
            name, "operation", from: max(floor, time(begin)), to: last,
            operations > 0 ? ["gflop": .number(operations / 1e9)] : [:])
        floor = last
    }

    private func append(
        _ name: String, _ category: String, from begin: Double, to end: Double, row: Int = 0,
        _ arguments: [String: Argument] = [:]
    ) {
        events.append(
            Event(name: name, cat: category, ts: begin, dur: end - begin, pid: rank, tid: row, args: arguments))
    }

    private func time(_ instant: ContinuousClock.Instant) -> Double {
        // Rounded to the resolution of the clock (1 ns), so that nested bars do not exceed their parents.
        (origin.duration(to: instant) / .nanoseconds(1)).rounded() / 1000
    }

    /// Writes the recorded steps.
    package func write(to path: String) throws {
        func name(_ kind: String, row: Int, _ text: String) -> Event {
            Event(name: kind, cat: "", ph: "M", pid: rank, tid: row, args: ["name": .text(text)])
        }
        let rows = Set(events.map(\.tid)).sorted()
        let names =
            [name("process_name", row: 0, "rank \(rank) on \(MPIEnvironment.processorName)")]
            + rows.map { name("thread_name", row: $0, $0 == 0 ? "training loop" : "gradient sums \($0)") }
        let file = File(traceEvents: names + events)
        try writeAtomically(String(decoding: try JSONEncoder().encode(file), as: UTF8.self) + "\n", to: path)
    }
}

extension StepTrace? {
    /// Runs a phase of a step, with a bar of its own if the step is recorded.
    package func span<R>(_ name: @autoclosure () -> String, _ work: () throws -> R) rethrows -> R {
        guard let self, self.isRecording else { return try work() }
        return try self.span(name(), work)
    }
}

import Foundation
import System

/// Event file of TensorBoard, `events.out.tfevents.<seconds>.<host>`, with the values of `metrics.csv` under the same
/// names.
///
/// Every start of a run creates a new file, because written events cannot be removed: it begins with an event that
/// discards the events of earlier files from a step on.
package final class TensorBoardFile {
    private let file: AppendedFile
    private let now: () -> Double

    /// Creates a file whose name is the last in the folder: TensorBoard reads files in the order of their names.
    ///
    /// - Parameters:
    ///   - step: the step from which on events of earlier files are discarded; nil for none.
    ///   - now: a clock, seconds since 1970.
    package init(
        in folder: String, purging step: Int?, host: String = ProcessInfo.processInfo.hostName,
        now: @escaping () -> Double = { Date().timeIntervalSince1970 }
    ) throws {
        self.now = now
        let times = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).compactMap { name in
            name.prefixMatch(of: /events\.out\.tfevents\.(\d{10})\./).flatMap { Int($0.1) }
        }
        // Clocks differ between hosts, and two starts may fall into one second.
        let time = max(Int(now()), (times.max() ?? 0) + 1)
        file = try AppendedFile(path: "\(folder)/events.out.tfevents.\(String(format: "%010d", time)).\(host)")
        try write(step: 0) { $0.add(3, "brain.Event:2") }
        guard let step else { return }
        try write(step: step) { event in
            var session = ProtobufMessage()
            session.add(1, 1)  // status: START
            event.add(7, session)
        }
    }

    /// Writes named numbers at a step.
    package func write(_ scalars: [(name: String, value: Double)], step: Int) throws {
        try write(step: step) { event in
            event.add(
                5,
                Self.summary(
                    scalars.map { scalar in
                        var value = ProtobufMessage()
                        value.add(1, scalar.name)
                        value.add(2, Float(scalar.value))
                        return value
                    }))
        }
    }

    /// Writes a text, shown verbatim.
    package func write(text: String, name: String, step: Int) throws {
        // Lines indented by four spaces are verbatim in Markdown.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { "    " + $0 }
        var plugin = ProtobufMessage()
        plugin.add(1, "text")
        var metadata = ProtobufMessage()
        metadata.add(1, plugin)
        var tensor = ProtobufMessage()
        tensor.add(1, 7)  // dtype: DT_STRING
        tensor.add(2, ProtobufMessage())  // no dimensions
        tensor.add(8, lines.joined(separator: "\n"))
        var value = ProtobufMessage()
        value.add(1, name)
        value.add(8, tensor)
        value.add(9, metadata)
        let summary = Self.summary([value])
        try write(step: step) { $0.add(5, summary) }
    }

    /// Writes the settings of a run for the plugin HParams, and the start of the run.
    package func write(settings: [Hyperparameter]) throws {
        var start = ProtobufMessage()
        for setting in settings {
            var entry = ProtobufMessage()
            entry.add(1, setting.name)
            entry.add(2, setting.message)
            start.add(1, entry)
        }
        start.add(5, now())
        try writeSession("session_start_info", field: 3, start)
    }

    /// Writes the end of a run that is complete, for the plugin HParams.
    package func writeEnd() throws {
        var end = ProtobufMessage()
        end.add(1, 1)  // status: STATUS_SUCCESS
        end.add(2, now())
        try writeSession("session_end_info", field: 4, end)
    }

    /// Writes a summary of the plugin HParams, whose content is in its metadata.
    private func writeSession(_ name: String, field: Int, _ content: ProtobufMessage) throws {
        var data = ProtobufMessage()
        data.add(field, content)
        var plugin = ProtobufMessage()
        plugin.add(1, "hparams")
        plugin.add(2, data)
        var metadata = ProtobufMessage()
        metadata.add(1, plugin)
        // A tensor of one zero, without which readers drop the summary.
        var dimension = ProtobufMessage()
        dimension.add(1, 1)
        var shape = ProtobufMessage()
        shape.add(2, dimension)
        var tensor = ProtobufMessage()
        tensor.add(1, 1)  // dtype: DT_FLOAT
        tensor.add(2, shape)
        tensor.add(5, Float(0))
        var value = ProtobufMessage()
        value.add(1, "_hparams_/" + name)
        value.add(8, tensor)
        value.add(9, metadata)
        let summary = Self.summary([value])
        try write(step: 0) { $0.add(5, summary) }
    }

    /// Writes named histograms at a step.
    package func write(_ histograms: [(name: String, histogram: ValueHistogram)], step: Int) throws {
        try write(step: step) { event in
            event.add(
                5,
                Self.summary(
                    histograms.map { entry in
                        let histogram = entry.histogram
                        var message = ProtobufMessage()
                        message.add(1, histogram.minimum)
                        message.add(2, histogram.maximum)
                        message.add(3, Double(histogram.count))
                        message.add(4, histogram.sum)
                        message.add(5, histogram.sumOfSquares)
                        message.add(6, histogram.upperEdges)
                        message.add(7, histogram.bins.map(Double.init))
                        var value = ProtobufMessage()
                        value.add(1, entry.name)
                        value.add(5, message)
                        return value
                    }))
        }
    }

    /// Writes events that could not be written before.
    package func flush() throws { try file.flush() }

    private static func summary(_ values: [ProtobufMessage]) -> ProtobufMessage {
        var summary = ProtobufMessage()
        for value in values { summary.add(1, value) }
        return summary
    }

    /// Writes an event; its content is field 3 (file version), 5 (summary) or 7 (session log).
    private func write(step: Int, _ content: (inout ProtobufMessage) -> Void) throws {
        var event = ProtobufMessage()
        event.add(1, now())
        event.add(2, step)
        content(&event)
        try file.write(TFRecord.framed(event.bytes))
    }
}

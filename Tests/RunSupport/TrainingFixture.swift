import Configuration
import Foundation
import HDF5
import NN
import Runs
import TestSupport
import Testing

package let world = makeWorld()

/// The options that some YAML, called `x.yaml`, and overrides say.
package func runOptions(
    _ yaml: String, _ overrides: [String] = [], pretrained: RunOptions.Pretrained = .init()
) throws -> RunOptions {
    var configuration = try Configuration(yaml: yaml, name: "x.yaml")
    for override in overrides { try configuration.override(override) }
    return try RunOptions(configuration, name: "x", pretrained: pretrained)
}

/// The same, as a command reads it: with the configurations of the checkpoints that it builds on.
package func runOptions(readingPretrained yaml: String, _ overrides: [String] = []) throws -> RunOptions {
    var configuration = try Configuration(yaml: yaml, name: "x.yaml")
    for override in overrides { try configuration.override(override) }
    return try runOptions(yaml, overrides, pretrained: RunOptions.Pretrained(for: configuration, name: "x"))
}

/// A small run on 1000 jets: an epoch has 27 batches of 37 jets, which nothing divides, and one batch of a
/// single jet.
package func tinyRun(_ directory: String, _ overrides: String...) throws -> RunOptions {
    try tinyRun(directory, overrides)
}

package func tinyRun(_ directory: String, _ overrides: [String]) throws -> RunOptions {
    try runOptions(
        """
        seed: 5
        run: {directory: \(directory)}
        data: {train: ["\(sample("val"))"], validation: ["\(sample("test"))"]}
        preprocessing: {jets: 500, quantiles: 100}
        model:
          encoder: {width: 16, layers: 2, heads: 2, registers: 2, layer_scale: 0.1}
          decoder: {width: 16, layers: 2, heads: 2, layer_scale: 0.1}
        tasks: {particle_id: {}, regression: {}, kmeans: {clusters: 32, fit_jets: 100, iterations: 3}}
        optimizer: {learning_rate: 5.0e-3}
        schedule: {warmup_steps: 10, half_life: 200}
        training: {steps: 30, batch_size: 37, micro_batch_size: 8, validation_interval: 20, validation_jets: 50,
                   checkpoint_interval: 1000, log_interval: 1}
        parallel: {threads: 1}
        """, overrides)
}

/// A store of parameters of the given shapes, called a, b, c, …
package func parameters(_ shapes: [[Int]], seed: UInt64 = 1) -> ParameterStore {
    let builder = ParameterBuilder()
    for (index, shape) in shapes.enumerated() {
        let name = String(UnicodeScalar(UInt8(97 + index)))
        _ = builder.root.parameter(name, shape: shape, .normal(deviation: 1))
    }
    return builder.build(seed: seed)
}

/// A `metrics.csv` by columns.
package struct MetricsTable {
    package let columns: [String]
    package let rows: [[String]]

    package init(_ directory: String) throws {
        let text = try String(contentsOfFile: directory + "/metrics.csv", encoding: .utf8)
        try #require(text.hasSuffix("\n"))
        let lines = text.split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        columns = lines[0]
        rows = Array(lines.dropFirst())
        try #require(rows.allSatisfy { $0.count == lines[0].count })
    }

    /// The values of a column, without the rows that have none.
    package func values(_ column: String) throws -> [Double] {
        let index = try #require(columns.firstIndex(of: column))
        return try rows.map { $0[index] }.filter { !$0.isEmpty }.map { try #require(Double($0)) }
    }

    /// All that does not depend on the clock.
    package var reproducible: [[String]] {
        let clock = ["jets_per_second", "data_wait_ms"].map { columns.firstIndex(of: $0) }
        return ([columns] + rows).map { row in row.indices.filter { !clock.contains($0) }.map { row[$0] } }
    }
}

/// The bits of the datasets under a group of a checkpoint, by name.
package func bits(_ group: String, of checkpoint: String) throws -> [String: [UInt32]] {
    let file = try File(opening: checkpoint)
    let group = try file.root.group(group)
    var result: [String: [UInt32]] = [:]
    for child in try group.children {
        result[child.name] = try group.read(child.name, as: Float.self).map(\.bitPattern)
    }
    return result
}

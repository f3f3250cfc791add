import Foundation
import System
import Tensors

/// Results of `kaon bench`: training steps of a model on synthetic jets, compared with the peak of the processor.
struct BenchmarkReport: Codable, Sendable {
    /// Rate of multiplications and additions in registers alone, with the instructions of the precision in use; like
    /// the other rates summed over the ranks [GF/s].
    var peakGigaflops: Double
    /// Rate of kaon's product with M = 4096, N = K = 512 in that precision [GF/s].
    var productGigaflops: Double
    /// Rate of OpenBLAS' sgemm of that shape [GF/s].
    var gemmGigaflops: Double
    /// Floating-point operations of forward and backward passes, counted from shapes, per second of whole steps [GF/s].
    var modelGigaflops: Double
    /// `modelGigaflops / peakGigaflops`.
    var efficiency: Double
    /// Jets of all ranks per second.
    var jetsPerSecond: Double
    /// Time per step that the slowest rank waits after its backward pass, for the gradient sums and for slower ranks
    /// [ms]; nil on one rank.
    var exposedCommunicationMilliseconds: Double?
    /// Time per step of the gradient sums without overlap [ms]; nil on one rank.
    var communicationMilliseconds: Double?
    /// Time per step of the gradient norm, including the wait for that of other ranks, clipping and update on the
    /// slowest rank [ms].
    var updateMilliseconds: Double
    /// Time per step of the last backward pass, during which gradients are sent, on the slowest rank [ms].
    var lastBackwardMilliseconds: Double
    /// Jets of a step, of all ranks.
    var jetsPerStep: Int
    /// Jets that a rank propagates together.
    var microBatchSize: Int
    /// Parameters of the model.
    var parameters: Int
    /// Peak memory of a rank, the largest over the ranks [MiB].
    var peakMemoryMiB: Double
    var threads: Int
    var ranks: Int
    /// Groups of ranks that share memory.
    var groups: Int
    /// Precision of the matrix products: fp32 or bf16.
    var precision: String
    /// Constituents of every jet; nil for numbers like those of JetClass.
    var constituents: Int?
    /// Constituents of all ranks per second; nil for numbers like those of JetClass.
    var constituentsPerSecond: Double?
    /// Peak memory of a rank's tensors, and its share of the weights and gradients that ranks share [MiB]; the largest
    /// over the ranks. Unlike `peakMemoryMiB` it does not include earlier measurements of the process.
    var tensorMemoryMiB: Double

    enum CodingKeys: String, CodingKey {
        case peakGigaflops = "peak_gflops"
        case productGigaflops = "product_gflops"
        case gemmGigaflops = "gemm_gflops"
        case modelGigaflops = "model_gflops"
        case efficiency
        case jetsPerSecond = "jets_per_second"
        case exposedCommunicationMilliseconds = "exposed_communication_ms"
        case communicationMilliseconds = "communication_ms"
        case updateMilliseconds = "update_ms"
        case lastBackwardMilliseconds = "last_backward_ms"
        case jetsPerStep = "jets_per_step"
        case microBatchSize = "micro_batch_size"
        case peakMemoryMiB = "peak_memory_mib"
        case parameters, threads, ranks, groups, precision, constituents
        case constituentsPerSecond = "constituents_per_second"
        case tensorMemoryMiB = "tensor_memory_mib"
    }
}

extension BenchmarkReport {
    /// One line per figure, under the names of the JSON file.
    var table: String {
        var rows: [(String, String)] = [
            ("peak_gflops", String(format: "%.1f", peakGigaflops)),
            ("product_gflops", String(format: "%.1f", productGigaflops)),
            ("gemm_gflops", String(format: "%.1f", gemmGigaflops)),
            ("model_gflops", String(format: "%.1f", modelGigaflops)),
            ("efficiency", String(format: "%.3f", efficiency)),
            ("jets_per_second", String(format: "%.2f", jetsPerSecond)),
        ]
        if let exposed = exposedCommunicationMilliseconds, let alone = communicationMilliseconds {
            rows.append(("exposed_communication_ms", String(format: "%.1f", exposed)))
            rows.append(("communication_ms", String(format: "%.1f", alone)))
        }
        rows += [
            ("update_ms", String(format: "%.1f", updateMilliseconds)),
            ("last_backward_ms", String(format: "%.1f", lastBackwardMilliseconds)),
            ("jets_per_step", "\(jetsPerStep)"),
            ("micro_batch_size", "\(microBatchSize)"),
            ("parameters", "\(parameters)"),
            ("peak_memory_mib", String(format: "%.0f", peakMemoryMiB)),
            ("tensor_memory_mib", String(format: "%.0f", tensorMemoryMiB)),
            ("threads", "\(threads)"),
            ("ranks", "\(ranks)"),
            ("groups", "\(groups)"),
            ("precision", precision),
        ]
        return rows.map { $0.padding(toLength: 26, withPad: " ", startingAt: 0) + $1 }.joined(separator: "\n")
    }

    /// A table of reports with different numbers of constituents.
    static func constituentsTable(_ reports: [BenchmarkReport]) -> String {
        aligned(
            [
                ["constituents", "sets_per_step", "constituents_per_second"]
                    + ["model_gflops", "efficiency", "tensor_memory_mib"]
            ]
                + reports.map {
                    [
                        "\($0.constituents ?? 0)", "\($0.jetsPerStep)",
                        String(format: "%.0f", $0.constituentsPerSecond ?? 0),
                        String(format: "%.1f", $0.modelGigaflops), String(format: "%.3f", $0.efficiency),
                        String(format: "%.0f", $0.tensorMemoryMiB),
                    ]
                })
    }

    /// Columns of the table of several reports with different numbers of jets a step.
    private static let scalingColumns = [
        "jets_per_step", "jets_per_rank", "jets_per_second", "exposed_communication_ms", "communication_ms",
        "update_ms",
        "peak_memory_mib",
    ]

    /// A table of reports with different numbers of jets a step.
    static func scalingTable(_ reports: [BenchmarkReport]) -> String {
        func number(_ value: Double?) -> String { value.map { String(format: "%.1f", $0) } ?? "" }
        return aligned(
            [scalingColumns]
                + reports.map {
                    [
                        "\($0.jetsPerStep)", "\($0.jetsPerStep / $0.ranks)", number($0.jetsPerSecond),
                        number($0.exposedCommunicationMilliseconds), number($0.communicationMilliseconds),
                        number($0.updateMilliseconds), number($0.peakMemoryMiB),
                    ]
                })
    }
}

extension Encodable {
    /// Writes the figures of a benchmark as JSON.
    func writeJSON(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try createFolder(of: path)
        try writeAtomically(String(decoding: encoder.encode(self), as: UTF8.self) + "\n", to: path)
    }
}

extension OperationProfile {
    /// One line per kind of operation, by falling time: calls, seconds, share of the time, and the rate of its matrix
    /// products [GF/s].
    var table: String {
        let total = entries.values.reduce(0) { $0 + $1.seconds }
        func pad(_ name: String) -> String { name.padding(toLength: 26, withPad: " ", startingAt: 0) }
        return
            ([pad("operation") + "   calls   seconds   share    GF/s"]
            + entries.sorted { $0.value.seconds > $1.value.seconds }.map { name, entry in
                let rate =
                    entry.operations > 0
                    ? String(format: "%7.1f", entry.operations / entry.seconds / 1e9) : ""
                return pad(name)
                    + String(format: "%8d  %8.3f  %5.1f%% ", entry.calls, entry.seconds, 100 * entry.seconds / total)
                    + rate
            }).joined(separator: "\n")
    }
}

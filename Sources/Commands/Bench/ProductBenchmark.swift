import Distributed
import MPI
import NN
import Objectives
import Runs
import Supervision
import System
import Tensors

/// Results of `kaon bench --products`: rates of the products of a model's linear maps [GF/s].
struct ProductBenchmark {
    struct Row: Codable, Sendable {
        /// Constituents of a micro-batch, and channels of the maps.
        let tokens, inputs, outputs: Int
        /// Maps of the model with this shape.
        let maps: Int
        let kernel: ProductKernel
        let forward, inputGradient, weightGradient: Double

        enum CodingKeys: String, CodingKey {
            case tokens, inputs, outputs, maps, kernel, forward
            case inputGradient = "input_gradient"
            case weightGradient = "weight_gradient"
        }
    }

    let rows: [Row]

    var table: String {
        aligned(
            [["tokens", "inputs", "outputs", "maps", "kernel", "forward", "input_gradient", "weight_gradient"]]
                + rows.map { row in
                    [row.tokens, row.inputs, row.outputs, row.maps].map(String.init) + [row.kernel.rawValue]
                        + [row.forward, row.inputGradient, row.weightGradient].map { rounded($0, decimals: 1) }
                })
    }
}

extension ProductKernel: Codable {}

/// `kaon bench --products`: times the products of the model's linear maps with every kernel of the processor. The rates
/// of the ranks, which measure at the same time, are added. Collective. Throws `AgreedError`.
///
/// - Parameter seconds: duration of all measurements together.
func benchmarkProducts(
    _ options: RunOptions, seconds: Double, in context: RunContext
) throws -> ProductBenchmark {
    let communicator = context.communicator
    let threads = try ComputeThreads.start(options.threads, on: communicator)
    let precision = try options.parallel.precision.precision(on: communicator, console: context.console)
    let jets = SyntheticJets(options)
    var options = options
    try options.chooseMicroBatchSize(
        constituents: jets.meanConstituents, precision: precision, threads: threads, on: communicator)
    let tokens = Int(Double(options.training.microBatchSize) * jets.meanConstituents)
    let maps = options.makeObjective(classes: jets.classes).parameters.parameters.filter(\.isFactor).map(\.shape)
        .filter { $0.allSatisfy { $0 % 16 == 0 } }
    let shapes = Dictionary(grouping: maps) { $0 }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    let kernels = ProductKernel.available
    var rows: [ProductBenchmark.Row] = []
    for (shape, same) in shapes {
        for kernel in kernels {
            let own = ProductRates.map(
                tokens: tokens, inputs: shape[1], outputs: shape[0], kernel: kernel,
                seconds: seconds / Double(3 * shapes.count * kernels.count))
            let rates = try communicator.allReduce([own.forward, own.inputGradient, own.weightGradient])
            rows.append(
                .init(
                    tokens: tokens, inputs: shape[1], outputs: shape[0], maps: same.count, kernel: kernel,
                    forward: rates[0], inputGradient: rates[1], weightGradient: rates[2]))
        }
    }
    return ProductBenchmark(rows: rows)
}

import ArgumentParser
import Runs
import Supervision
import System
import Training

struct TuneRate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tune-rate",
        abstract: "Searches for a learning rate: trains a few steps with a rate that grows until the loss diverges.",
        discussion: """
            The learning rate grows exponentially from --from to --to, starting from the first weights of the model, \
            until the loss diverges. The suggestion is the rate at which the smoothed loss falls \
            fastest. The schedule is not used, and nothing is written to run.directory.

              mpirun -n 2 kaon tune-rate configs/quickstart.yaml --output rates.csv
              kaon-plot rates rates.csv --output rates.pdf
            """)

    @Argument(
        help: "Configuration file (YAML) of a pre-training or a downstream task.",
        completion: .file(extensions: ["yaml", "yml"]))
    var configuration: String

    @Argument(help: "Overrides such as training.batch_size=100.", completion: SettingCompletion.kind())
    var overrides: [String] = []

    @Option(name: .customLong("from"), help: "First learning rate.")
    var first = 1e-6

    @Option(name: .customLong("to"), help: "Last learning rate.")
    var last = 1.0

    @Option(help: "Steps between the two.")
    var steps = 200

    @Option(
        name: .shortAndLong, help: "CSV file to write with the loss of every step.",
        completion: .file(extensions: ["csv"]))
    var output: String?

    @Flag(help: "Replace an existing output file.")
    var force = false

    func run() {
        StopSignal.install()
        Launch.onAllRanks { context in
            var context = context
            context.stopRequested = { StopSignal.hasArrived }
            let options = try RunOptions.configuration(configuration, overrides: overrides, on: context.communicator)
            let range = try context.communicator.agree { try RateRange(first: first, last: last, steps: steps) }
            return try tuneRate(options, range, to: output.map { OutputFile($0, overwrites: force) }, in: context)
        }
    }
}

/// `kaon tune-rate`: prints the losses of a learning-rate range test and a suggestion. Collective.
///
/// Throws `AgreedError` if the run could not start or the file cannot be written.
///
/// - Parameter output: CSV file of all steps; nil for none.
package func tuneRate(
    _ options: RunOptions, _ range: RateRange, to output: OutputFile?, in context: RunContext
) throws -> RunOutcome {
    let (communicator, console) = (context.communicator, context.console)
    try output?.check(on: communicator)
    guard let curve = try rateTest(options, range, in: context) else {
        console.say("stopped by a signal; nothing was written")
        return .stopped
    }
    _ = try communicator.onRoot {
        console.say("\n" + table(curve))
        console.say("\n" + conclusion(curve, range))
        if let output {
            try createFolder(of: output.path)
            try writeAtomically(curve.csv, to: output.path)
            console.say("written to \(output.path)")
        }
    }
    return .finished
}

/// About twenty steps, evenly along the logarithm of the rate, with the last.
private func table(_ curve: RateCurve) -> String {
    let last = curve.points.count - 1
    let rows = min(20, last)
    let indices = rows > 0 ? (0...rows).map { $0 * last / rows } : Array(curve.points.indices)
    return aligned(
        [["learning rate", "loss", "smoothed"]]
            + indices.map {
                let point = curve.points[$0]
                return [
                    rounded(point.rate, digits: 3), point.loss.map { rounded($0, decimals: 4) } ?? "not finite",
                    rounded(point.smoothed, decimals: 4),
                ]
            })
}

private func conclusion(_ curve: RateCurve, _ range: RateRange) -> String {
    let (steps, last) = (curve.points.count, curve.points[curve.points.count - 1])
    let end =
        curve.hasDiverged
        ? "the loss diverged at \(rounded(last.rate, digits: 3)), after \(plural(steps, "step"))"
        : "the loss did not diverge up to \(rounded(last.rate, digits: 3))"
    guard let suggestion = curve.suggestion, let lowest = curve.lowest else {
        return "\(end)\nno suggestion: the loss never fell; raise --steps or --to, or lower --from"
    }
    let rate = rounded(curve.points[suggestion].rate, digits: 2)
    return """
        \(end)
        lowest smoothed loss at \(rounded(curve.points[lowest].rate, digits: 2)), an upper limit
        suggestion, where it falls fastest: optimizer.learning_rate=\(rate)
        """
}

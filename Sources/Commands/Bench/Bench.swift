import ArgumentParser
import Objectives
import Runs
import Supervision

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures training speed on synthetic jets against the machine's own matrix product.",
        discussion: """
            Times whole training steps (forward, backward, all-reduce, clipping, optimizer). Without a \
            configuration it takes the paper's MPMv2 k-means model. No data file is read.

              kaon bench parallel.threads=1
              mpirun -n 2 kaon bench configs/small/mpmv2-kmeans.yaml --json bench.json

            With --data it reads the training data of a configuration instead, without training:

              mpirun -n 2 kaon bench --data configs/small/mpmv2-kmeans.yaml data.train=[train.h5]
            """)

    @Argument(help: "A YAML file (ending in .yaml or .yml) and overrides; both may be left out.",
        completion: .file(extensions: ["yaml", "yml"]))
    var arguments: [String] = []

    @Option(help: "Measure the reading of this configuration's training data; arguments are overrides.",
        completion: .file(extensions: ["yaml", "yml"]))
    var data: String?

    @Option(help: "Repeat steps for at least this many seconds.")
    var seconds = 20.0

    @Option(help: "Also write the figures to this JSON file.", completion: .file(extensions: ["json"]))
    var json: String?

    @Flag(help: "Print what the time of rank 0 goes to, by kind of operation.")
    var profile = false

    func validate() throws {
        guard seconds > 0, seconds.isFinite else {
            throw ValidationError("--seconds must be greater than 0, found \(seconds)")
        }
    }

    func run() {
        if let data {
            Launch.onAllRanks { communicator, console in
                let options = try RunOptions.configuration(data, overrides: arguments, on: communicator)
                console.say(try benchmarkData(options, seconds: seconds, on: communicator).table)
                return .finished
            }
        }
        let isFile = arguments.first.map { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") } ?? false
        Launch.onAllRanks { communicator, console in
            let overrides = Array(arguments.dropFirst(isFile ? 1 : 0))
            let options =
                isFile
                ? try RunOptions.configuration(arguments[0], overrides: overrides, on: communicator)
                : try RunOptions.benchmarkConfiguration(overrides: overrides, on: communicator)
            let report = try benchmark(
                options, seconds: seconds, showsProfile: profile, on: communicator, console: console)
            console.say(report.table)
            if let json { _ = try communicator.onRoot { try report.write(to: json) } }
            return .finished
        }
    }
}

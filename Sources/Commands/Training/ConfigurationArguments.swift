import ArgumentParser
import Runs
import Supervision
import System
import Training

/// A configuration file and the overrides after it.
struct ConfigurationArguments: ParsableArguments {
    @Argument(help: "A YAML file; configs/ has examples.", completion: .file(extensions: ["yaml", "yml"]))
    var configuration: String

    @Argument(
        help: "Overrides such as training.steps=100, tasks.regression={} or ~tasks.kmeans (removes the key).")
    var overrides: [String] = []

    @Flag(help: "Print the resolved configuration, sizes, memory and expected time, and write nothing.")
    var dryRun = false

    /// Trains, or tells what training would be.
    func train(as command: RunOptions.Command) -> Never {
        StopSignal.install()
        Launch.onAllRanks { communicator, console in
            let options = try RunOptions.configuration(
                configuration, overrides: overrides, for: command, on: communicator)
            guard !dryRun else {
                try Commands.dryRun(options, on: communicator, console: console)
                return .finished
            }
            return try Training.train(
                options, on: communicator, console: console, shouldStop: { StopSignal.hasArrived })
        }
    }
}

import ArgumentParser
import Runs
import Supervision
import System
import Training

/// Arguments of the commands that train: a configuration file and overrides.
struct ConfigurationArguments: ParsableArguments {
    @Argument(
        help: "Configuration file (YAML); see configs/ for examples.", completion: .file(extensions: ["yaml", "yml"]))
    var configuration: String

    @Argument(
        help: "Overrides such as training.steps=100, 'tasks.regression={}' or '~tasks.kmeans' (removes the key).",
        completion: SettingCompletion.kind())
    var overrides: [String] = []

    @Flag(help: "Print the resolved configuration, model size, memory and expected time without training.")
    var dryRun = false

    /// Trains, or prints the dry run.
    func train(as command: RunOptions.Command) -> Never {
        // A dry run ends at once at a signal.
        if !dryRun { StopSignal.install() }
        Launch.onAllRanks { context in
            var context = context
            context.stopRequested = { StopSignal.hasArrived }
            let options = try RunOptions.configuration(
                configuration, overrides: overrides, for: command, on: context.communicator)
            guard !dryRun else {
                try Commands.dryRun(options, in: context)
                return .finished
            }
            return try Training.train(options, in: context)
        }
    }
}

import ArgumentParser
import Training

@main
struct Kaon: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kaon",
        abstract: "Trains foundation models of particle jets on CPU clusters.",
        discussion: """
            The same program runs alone and on many ranks under mpirun or srun. Overrides change any key of \
            the configuration by its dotted path.

              kaon init first --objective mpm_v2
              kaon pretrain configs/quickstart.yaml
              mpirun -n 2 kaon pretrain configs/quickstart.yaml training.steps=100
              kaon finetune configs/finetune-classification.yaml backbone=runs/quickstart/checkpoints/latest
              kaon evaluate runs/finetune-classification/checkpoints/best data.test=[test.h5]
              kaon encode runs/quickstart/checkpoints/latest data.test=[test.h5] --output encoded.h5
              kaon export runs/quickstart/checkpoints/latest --output backbone.safetensors
              kaon generate runs/set-flow/checkpoints/best --jets 10000 --output generated.h5
              kaon pack train.h5 --output train-packed.h5
              kaon inspect runs/quickstart/checkpoints/latest
              kaon compare runs/quickstart runs/other
              kaon bench parallel.threads=1
            """,
        version: kaonVersion,
        subcommands: [
            Init.self, Pretrain.self, Finetune.self, Evaluate.self, Encode.self, Generate.self, Export.self, Pack.self,
            Inspect.self, Compare.self, Bench.self, Reference.self,
        ])

    static func main() {
        Launch.useBestKernels()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            Launch.leaveToFirstProcess(code: exitCode(for: error).rawValue)
            exit(withError: error)
        }
    }
}

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
    func train(as command: Launch.Command) -> Never {
        StopSignal.listen()
        Launch.onAllRanks { communicator, console in
            let options = try Launch.configuration(
                configuration, overrides: overrides, for: command, on: communicator)
            guard !dryRun else {
                try Training.dryRun(options, on: communicator, console: console)
                return .finished
            }
            return try Training.train(
                options, on: communicator, console: console, shouldStop: { StopSignal.hasCome })
        }
    }
}

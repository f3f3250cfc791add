import ArgumentParser
import Supervision
import Training

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the model of a checkpoint on the jets of data.test.",
        discussion: """
            Writes metrics.json and, for tasks that answer for every jet, predictions.h5.

              mpirun -n 2 kaon evaluate runs/finetune/checkpoints/best data.test=[test.h5]
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Argument(help: "Overrides of the configuration in the checkpoint, such as data.test=[test.h5].")
    var overrides: [String] = []

    @Option(help: "The folder to write to; by default 'evaluation' in that of the run.", completion: .directory)
    var output: String?

    func run() {
        Launch.onAllRanks { communicator, console in
            try evaluate(checkpoint, overrides: overrides, output: output, on: communicator, console: console)
            return .finished
        }
    }
}

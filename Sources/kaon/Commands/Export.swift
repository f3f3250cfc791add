import ArgumentParser
import Training

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes the model of a checkpoint as a safetensors file, for PyTorch and for other runs.",
        discussion: """
            The backbone is written with its preprocessing and its configuration: such a file serves wherever kaon \
            asks for the checkpoint of a backbone, and the Python package kaon_torch loads it. With --all, so is the \
            rest of the model. The configuration names the files that the model was trained on.

              kaon export runs/mpmv2-kmeans/checkpoints/best --output backbone.safetensors
              kaon finetune configs/finetune-classification.yaml backbone=backbone.safetensors
              kaon pretrain configs/mpmv2-flow.yaml model.initial_weights=backbone.safetensors

            --names jetssl writes the parameters of the module JetBackbone of the authors' public PyTorch code, and \
            nothing else, for backbones of transformer blocks.
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Option(
        name: .shortAndLong, help: "The file to write; its name ends in .safetensors.",
        completion: .file(extensions: ["safetensors"]))
    var output: String

    @Option(help: "Whose names the parameters have: kaon or jetssl.")
    var names = ParameterNames.kaon

    @Flag(help: "Write the whole model, not its backbone alone.")
    var all = false

    @Flag(help: "Replace the output where it is there already.")
    var force = false

    func run() {
        Launch.onAllRanks { communicator, console in
            try Training.export(
                checkpoint, output: output, part: all ? .model : .backbone, names: names, overwrites: force,
                on: communicator, console: console)
            return .finished
        }
    }
}

extension ParameterNames: ExpressibleByArgument {}

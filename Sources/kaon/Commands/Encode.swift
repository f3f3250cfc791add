import ArgumentParser
import Training

struct Encode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes what the backbone of a checkpoint says of the jets of data.test.",
        discussion: """
            The file has 'encodings', a row for every register and constituent, 'offsets', where each jet begins, \
            and 'labels'; with --pool mean, one row a jet.

              mpirun -n 2 kaon encode runs/mpmv2-kmeans/checkpoints/latest data.test=[test.h5] --output encoded.h5
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Argument(help: "Overrides of the configuration in the checkpoint, such as data.test=[test.h5].")
    var overrides: [String] = []

    @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["h5"]))
    var output: String

    @Option(help: "What is made of the encodings of a jet: none (all are written) or mean.")
    var pool = EncodingPool.none

    @Flag(help: "Replace the output where it is there already.")
    var force = false

    func run() {
        Launch.onAllRanks { communicator, console in
            try encode(
                checkpoint, overrides: overrides, output: output, pool: pool, overwrites: force,
                on: communicator,
                console: console)
            return .finished
        }
    }
}

extension EncodingPool: ExpressibleByArgument {}

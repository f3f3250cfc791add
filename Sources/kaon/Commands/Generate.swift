import ArgumentParser
import Training

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Generates jets, or what was dropped of given ones.",
        discussion: """
            A checkpoint of set_flow makes whole jets, written as a packed file that kaon reads:

              mpirun -n 2 kaon generate runs/set-flow/checkpoints/best --jets 10000 --output generated.h5

            With --reconstruct a part of the jets of data.test is dropped, and every task of the checkpoint \
            recovers it; the file has the groups 'original', 'survivors', 'dropped' and one for each task:

              kaon generate --reconstruct runs/mpmv2-flow/checkpoints/best data.test=[test.h5] --jets 100 \\
                --output reconstructed.h5

            The same seed makes the same jets on any number of ranks.
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Argument(help: "Overrides of the configuration in the checkpoint, such as data.test=[test.h5].")
    var overrides: [String] = []

    @Option(help: "The number of jets.")
    var jets: Int

    @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["h5"]))
    var output: String

    @Flag(help: "Drop a part of given jets and recover it.")
    var reconstruct = false

    @Option(help: "With --reconstruct, the part of the constituents that is dropped.")
    var fraction = 0.4

    @Option(help: "Constituents of each generated jet; without, as many as in the data.")
    var constituents: Int?

    @Option(help: "How flow matching is followed: euler, midpoint or adaptive.")
    var solver = GenerationOptions.Solver.midpoint

    @Option(help: "Steps of the solver; the most of an adaptive one.")
    var steps: Int?

    @Option(help: "The error of a step that an adaptive solver allows.")
    var tolerance = 1e-4

    @Flag(help: "Take the most likely class and token instead of a random one.")
    var mostLikely = false

    @Option(help: "Names the random numbers; by default the seed of the run.")
    var seed: UInt64?

    @Flag(help: "Replace the output where it is there already.")
    var force = false

    func validate() throws {
        guard jets > 0 else { throw ValidationError("--jets must be at least 1, found \(jets)") }
        guard 0...1 ~= fraction else {
            throw ValidationError("--fraction must be from 0 to 1, found \(fraction)")
        }
        if let steps, steps < 1 { throw ValidationError("--steps must be at least 1, found \(steps)") }
        if let constituents, constituents < 1 {
            throw ValidationError("--constituents must be at least 1, found \(constituents)")
        }
        guard tolerance > 0, tolerance.isFinite else {
            throw ValidationError("--tolerance must be greater than 0, found \(tolerance)")
        }
        if reconstruct, constituents != nil {
            throw ValidationError("--constituents is for whole jets; leave it out with --reconstruct")
        }
    }

    func run() {
        var options = GenerationOptions(jets: jets)
        options.constituents = constituents
        options.fraction = fraction
        options.seed = seed
        options.overwrites = force
        options.solver = solver
        options.steps = steps
        options.tolerance = tolerance
        options.takesMostLikely = mostLikely
        let wanted = options
        Launch.onAllRanks { communicator, console in
            let command = reconstruct ? Training.reconstruct : Training.generate
            try command(checkpoint, overrides, output, wanted, communicator, console)
            return .finished
        }
    }
}

extension GenerationOptions.Solver: ExpressibleByArgument {}

import ArgumentParser
import Foundation
import Training

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what a data file or a checkpoint holds.",
        discussion: """
              kaon inspect train.h5
              kaon inspect runs/quickstart/checkpoints/latest
            """)

    @Argument(help: "An HDF5 file of jets, or a checkpoint.")
    var file: String

    func run() throws {
        print(try inspect(file))
    }
}

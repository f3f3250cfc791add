import ArgumentParser
import Training

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what data files or a checkpoint hold.",
        discussion: """
            Of data: classes, distributions of the features, identities, datasets. Large sets are looked at \
            through a random sample of their blocks.

              kaon inspect train.h5
              kaon inspect data/train 'more/*.h5'
              kaon inspect runs/quickstart/checkpoints/latest
            """)

    @Argument(help: "HDF5 files of jets, folders of them or patterns; or one checkpoint.", completion: .file())
    var files: [String]

    @Flag(help: "Print the statistics of data as JSON.")
    var json = false

    func run() throws {
        print(try json ? inspectAsJSON(files) : inspect(files))
    }
}

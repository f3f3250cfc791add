import ArgumentParser
import Objectives
import Runs

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a configuration for an objective, with its main keys and what they say.",
        discussion: """
            The file runs as it is, once it is told where the jets are:

              kaon init first --objective mpm_v2
              kaon pretrain first.yaml data.train=[train.h5] data.validation=[val.h5]
            """)

    @Argument(help: "The name of the run; the file is NAME.yaml.")
    var name: String

    @Option(help: "What is trained.")
    var objective = ObjectiveOptions.Name.mpmV2

    func run() throws {
        print("written: \(try writeTemplate(name, for: objective))")
    }
}

extension ObjectiveOptions.Name: ExpressibleByArgument {}

import ArgumentParser
import Objectives
import Runs
import Supervision

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a configuration file with the main keys of an objective and their descriptions.",
        discussion: """
            The configuration is complete except for the paths of the data:

              kaon init first --objective mpm_v2
              kaon pretrain first.yaml 'data.train=[train.h5]' 'data.validation=[val.h5]'
            """)

    @Argument(help: "Name of the run; the file is NAME.yaml.")
    var name: String

    @Option(help: "Training objective.")
    var objective = ObjectiveOptions.Name.mpmV2

    func run() throws {
        Launch.leaveToFirstProcess(code: 0)
        print("written: \(try writeTemplate(name, for: objective))")
    }
}

extension ObjectiveOptions.Name: ExpressibleByArgument {}

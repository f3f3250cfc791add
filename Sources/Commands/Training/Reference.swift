import ArgumentParser
import Runs
import Supervision

struct Reference: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints docs/configuration.md, the reference of all configuration keys.")

    func run() throws {
        Launch.leaveToFirstProcess(code: 0)
        print(try ConfigurationReference().page, terminator: "")
    }
}

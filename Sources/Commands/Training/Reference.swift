import ArgumentParser
import Runs

struct Reference: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints docs/configuration.md, the reference of all configuration keys.", shouldDisplay: false)

    func run() throws {
        print(try ConfigurationReference().page, terminator: "")
    }
}

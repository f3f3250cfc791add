import ArgumentParser
import Runs

struct Reference: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints docs/configuration.md, the page of all keys.", shouldDisplay: false)

    func run() throws {
        print(try ConfigurationReference().page, terminator: "")
    }
}

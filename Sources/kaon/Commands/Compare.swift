import ArgumentParser
import Foundation
import Training

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints what two runs differ in: configurations, and metrics side by side.",
        discussion: """
            Of every metric the last value, and the best with its step: the lowest of losses, the highest of \
            measures such as accuracies. On a terminal the curves are drawn below.

              kaon compare runs/quickstart runs/other
            """)

    @Argument(help: "The folder of a run.", completion: .directory)
    var first: String

    @Argument(help: "The folder of another.", completion: .directory)
    var second: String

    @Flag(inversion: .prefixedNo, help: "Draw the curves; by default on a terminal.")
    var curves: Bool?

    func run() throws {
        print(try compare(first, second, showsCurves: curves ?? (isatty(STDOUT_FILENO) == 1)))
    }
}

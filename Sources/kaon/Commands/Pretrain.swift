import ArgumentParser
import Training

struct Pretrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Pre-trains a backbone on unlabelled jets.",
        discussion: """
            Writes config.yaml, metrics.csv, kaon.log and checkpoints/ into run.directory. Started again with the same \
            directory, the run goes on from its latest checkpoint (run.resume=auto), exactly as if it had never stopped.
            """)

    @OptionGroup var arguments: ConfigurationArguments

    func run() {
        Launch.onAllRanks { communicator, console in
            let options = try Launch.configuration(
                arguments.configuration, overrides: arguments.overrides, on: communicator)
            try pretrain(options, on: communicator, console: console)
        }
    }
}

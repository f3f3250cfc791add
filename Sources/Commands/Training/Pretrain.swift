import ArgumentParser
import Supervision

struct Pretrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Pre-trains a backbone on unlabelled jets.",
        discussion: """
            Writes config.yaml, metrics.csv, kaon.log, fitted.h5, event files for TensorBoard and checkpoints/ into \
            run.directory. Started again with \
            the same directory, the run goes on from its latest checkpoint (run.resume=auto), exactly as if it \
            had never stopped.

            SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 ask the run to stop: it ends its step, writes a checkpoint \
            and exits with code \(Launch.stoppedExitCode). Under mpirun send SIGUSR1 to mpirun, which passes \
            it on; at SIGTERM and Ctrl-C mpirun kills the ranks a second later. Other exit codes: 0 when all \
            steps are done, 1 after an error, 64 for a wrong command line.
            """)

    @OptionGroup var arguments: ConfigurationArguments

    func run() { arguments.train(as: .pretrain) }
}

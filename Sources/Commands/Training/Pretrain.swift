import ArgumentParser
import Supervision

struct Pretrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Pre-trains a backbone on unlabelled jets.",
        discussion: """
            Writes config.yaml, metrics.csv, kaon.log, fitted.h5, event files for TensorBoard and checkpoints/ into \
            run.directory. If the directory already contains checkpoints, the run resumes from the latest one \
            (run.resume=auto), exactly as if it had never stopped.

              mpirun -n 2 kaon pretrain configs/quickstart.yaml training.steps=100

            On SIGTERM, SIGINT (Ctrl-C), SIGUSR1 or SIGHUP (a closed terminal) the run completes its step, writes a \
            checkpoint and exits with code \(Launch.stoppedExitCode). Under mpirun, send SIGUSR1 to mpirun, which \
            forwards it; after SIGTERM or Ctrl-C mpirun kills the ranks within a second. Other exit codes: 0 after the \
            last step, 1 after an error, 64 for an invalid command line.
            """)

    @OptionGroup var arguments: ConfigurationArguments

    func run() { arguments.train(as: .pretrain) }
}

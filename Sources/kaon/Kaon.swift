import ArgumentParser
import Commands
import Revision
import Supervision
import System

@main
struct Kaon: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kaon",
        abstract: "Trains foundation models of particle jets on CPU clusters.",
        discussion: """
            Runs on a single process, or on many ranks under mpirun or srun. KEY=VALUE arguments override keys of the \
            configuration by their dotted paths.

              kaon init first --objective mpm_v2
              kaon pretrain configs/quickstart.yaml
              mpirun -n 2 kaon pretrain configs/quickstart.yaml training.steps=100
              kaon finetune configs/finetune-classification.yaml \\
                backbone=runs/quickstart/checkpoints/latest
              kaon evaluate runs/finetune-classification/checkpoints/best \\
                'data.test=[test.h5]'
              kaon encode runs/quickstart/checkpoints/latest \\
                'data.test=[test.h5]' --output encoded.h5
              kaon export runs/quickstart/checkpoints/latest \\
                --output backbone.safetensors
              kaon generate runs/set-flow/checkpoints/best --jets 10000 \\
                --output generated.h5
              kaon pack train.h5 --output train-packed.h5
              kaon inspect runs/quickstart/checkpoints/latest
              kaon compare runs/quickstart runs/other
              kaon bench parallel.threads=1
            """,
        version: versionText,
        subcommands: subcommands)

    static func main() {
        SourceRevision.current = SourceRevision(commit: BuildRevision.commit, isModified: BuildRevision.isModified)
        Launch.useBestKernels()
        Launch.raiseLimitOfOpenFiles()
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "--generate-completion-script", arguments.count == 2,
            let shell = CompletionShell(rawValue: arguments[1])
        {
            print(extendedCompletionScript(completionScript(for: shell), for: shell))
            return
        }
        do {
            try checkSubcommand(arguments)
            var command = try parseAsRoot()
            try checkWorkingFolder()
            try command.run()
        } catch {
            Launch.leaveToFirstProcess(code: exitCode(for: error).rawValue)
            exit(withError: error)
        }
    }
}

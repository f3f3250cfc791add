import ArgumentParser
import Foundation
import MPI
import Runs
import Supervision
import System
import Training

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Evaluates the model of a checkpoint on the jets of data.test.",
        discussion: """
            Writes metrics.json and, for tasks that predict something for every jet, predictions.h5. Products are \
            computed in the precision that the checkpoint was trained with (parallel.precision).

              mpirun -n 2 kaon evaluate runs/finetune/checkpoints/best \\
                'data.test=[test.h5]'
            """)

    @Argument(help: "A checkpoint, such as runs/NAME/checkpoints/best.", completion: .file())
    var checkpoint: String

    @Argument(
        help: "Overrides of the checkpoint's configuration, such as 'data.test=[test.h5]'.",
        completion: SettingCompletion.kind(.evaluate))
    var overrides: [String] = []

    @Option(help: "Folder to write to (default: 'evaluation' in the run directory).", completion: .directory)
    var output: String?

    @Flag(help: "Replace an existing metrics.json.")
    var force = false

    func run() {
        Launch.onAllRanks {
            try evaluate(checkpoint, overrides: overrides, output: output, overwrites: force, in: $0)
        }
    }
}

/// `kaon evaluate`: writes metrics and predictions of the model of a checkpoint for the jets of `data.test`;
/// collective. Throws `AgreedError`.
///
/// - Parameters:
///   - output: the folder to write to; nil for `evaluation` in the run directory.
///   - overwrites: true to replace an existing `metrics.json`.
@discardableResult
package func evaluate(
    _ checkpoint: String, overrides: [String], output: String?, overwrites: Bool = false, in context: RunContext
) throws -> RunOutcome {
    let model = try context.communicator.agree {
        try TrainedModel(checkpoint, CheckpointKeys.evaluate.options(of: checkpoint, overrides: overrides))
    }
    let folder = output ?? evaluationFolder(of: checkpoint)
    _ = try context.communicator.onRoot {
        let file = folder + "/metrics.json"
        guard overwrites || !FileManager.default.fileExists(atPath: file) else {
            throw KaonError("\(file) already exists; choose another folder with --output, or --force to replace it")
        }
        if let reason = reasonAgainstWriting(to: folder) {
            throw KaonError("cannot write to \(folder): \(reason); choose another folder with --output")
        }
    }
    _ = try ComputeThreads.start(model.options.threads, on: context.communicator)
    return try evaluate(model, output: folder, in: context)
}

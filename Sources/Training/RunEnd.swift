import Foundation
import Objectives
import Runs
import Supervision
import System

/// The last lines of a run that is complete: how long it took, its best checkpoint, and what to do next.
struct RunEnd {
    /// Steps of this start.
    let steps: Int
    /// The checkpoint with the lowest validation loss; nil without one, and on ranks other than 0.
    let best: TrainingState.Best?
    /// Name of the loss that selected it, such as `validation loss`.
    let selection: String

    /// - Parameter seconds: the time since the start of this process.
    func lines(_ options: RunOptions, seconds: Double, isEvaluated: Bool) -> [String] {
        let folder = options.run.directory + "/checkpoints/"
        let found = best.map {
            "best checkpoint: \(folder)best (step \($0.step)"
                + ($0.loss.isFinite ? ", \(selection) \(rounded($0.loss, decimals: 4)))" : ")")
        }
        let model = quotedForShell(folder + (best == nil ? "latest" : "best"))
        let run = quotedForShell(options.run.directory)
        return [
            "finished in \(clock(seconds)): \(plural(steps, "step"))",
            found ?? "last checkpoint: \(folder)latest (without a validation there is no best one)",
            "next: " + Self.command(after: options.objective, model: model, run: run, isEvaluated: isEvaluated),
        ]
    }

    private static func command(
        after objective: ObjectiveOptions, model: String, run: String, isEvaluated: Bool
    ) -> String {
        switch objective {
        case .mpmV1, .mpmV2:
            return "kaon finetune configs/finetune-classification.yaml backbone=\(model) backbone_mode=fine_tuned"
        case .vqvae: return "kaon pretrain configs/mpmv2-vqvae.yaml tokenizer.checkpoint=\(model)"
        case .setFlow, .nextToken: return "kaon generate \(model) --jets 10000 --output generated.h5"
        case .downstream where !isEvaluated: return "kaon evaluate \(model) 'data.test=[test.h5]'"
        case .downstream(.classification, _), .downstream(.cwola, _):
            return "kaon-plot roc \(run) --output roc.pdf"
        case .downstream(.regression, _): return "kaon-plot regression \(run) --output regression.pdf"
        case .downstream: return "kaon-results \(run)"
        }
    }

    func report(_ options: RunOptions, isEvaluated: Bool, in context: RunContext) {
        let seconds = Date().timeIntervalSince(Launch.begin)
        for line in lines(options, seconds: seconds, isEvaluated: isEvaluated) { context.console.say(line) }
    }
}

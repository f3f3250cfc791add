import Configuration
import Foundation
import Jets
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
        let end = "finished in \(clock(seconds)): \(plural(steps, "step"))"
        guard best != nil || options.data.validation.isEmpty else {
            return [end, "last checkpoint: \(folder)latest (no validation loss was finite, so that none is the best)"]
        }
        let found = best.map {
            "best checkpoint: \(folder)best (step \($0.step)"
                + ($0.loss.isFinite ? ", \(selection) \(rounded($0.loss, decimals: 4)))" : ")")
        }
        let model = quotedForShell(folder + (best == nil ? "latest" : "best"))
        let run = quotedForShell(options.run.directory)
        return [
            end,
            found ?? "last checkpoint: \(folder)latest (without a validation there is no best one)",
            "next: " + Self.command(after: options, model: model, run: run, isEvaluated: isEvaluated),
        ]
    }

    private static func command(after options: RunOptions, model: String, run: String, isEvaluated: Bool) -> String {
        switch options.objective {
        case .mpmV1, .mpmV2:
            let test = options.data.test.isEmpty ? "'data.test=[test.h5]'" : settings(["data.test"], of: options)
            let name = options.data.features.areOfEvents ? "events-classification" : "finetune-classification"
            return "kaon finetune \(configuration(name, besideThatOf: options)) backbone=\(model) "
                + "backbone_mode=fine_tuned \(settings(dataKeys(of: options), of: options)) \(test)"
        case .vqvae:
            // The inputs have to be those of the VQ-VAE.
            let isVersion1 = options.data.features.names == ["pt", "deta", "dphi"]
            let name = configuration(isVersion1 ? "mpmv1-vqvae-head" : "mpmv2-vqvae", besideThatOf: options)
            let features = isVersion1 || options.data.features.names == JetFeatures.allNames ? [] : ["data.features"]
            let others = options.data.features.areOfEvents ? ["data.identities", "data.max_constituents"] : []
            return "kaon pretrain \(name) tokenizer.checkpoint=\(model) "
                + settings(dataKeys(of: options) + features + others, of: options)
        case .setFlow, .nextToken: return "kaon generate \(model) --jets 10000 --output generated.h5"
        case .downstream where !isEvaluated:
            let evaluated = options.objective.name.evaluated == .latest ? run + "/checkpoints/latest" : model
            return "kaon evaluate \(evaluated) 'data.test=[test.h5]'"
        case .downstream(.classification, _), .downstream(.cwola, _):
            return "kaon-plot roc \(run) --output roc.pdf"
        case .downstream(.regression, _): return "kaon-plot regression \(run) --output regression.pdf"
        case .downstream: return "kaon-results \(run)"
        }
    }

    /// The keys of the jets of a run that another configuration has to be given.
    private static func dataKeys(of options: RunOptions) -> [String] {
        ["data.train", "data.validation"] + (options.data.classNames.isEmpty ? [] : ["data.class_names"])
            + (options.data.allowsEmptyJets ? ["data.allow_empty_jets"] : [])
    }

    /// Arguments that set some keys as in a run.
    private static func settings(_ keys: [String], of options: RunOptions) -> String {
        keys.map { quotedForShell("\($0)=\(options.configuration.value(of: $0) ?? "null")") }.joined(separator: " ")
    }

    /// A configuration of the repository: the one beside that of a run or in the folder above, such as `configs/small`,
    /// or else the one in `configs`.
    private static func configuration(_ name: String, besideThatOf options: RunOptions) -> String {
        // The folder is empty for a file without one.
        let folders = options.file.map { file in
            let parts = file.split(separator: "/", omittingEmptySubsequences: false)
            return [1, 2].map { parts.dropLast($0).map { $0 + "/" }.joined() }
        }
        let paths = (folders ?? []).map { "\($0)\(name).yaml" }
        return paths.first { FileManager.default.fileExists(atPath: $0) }.map(quotedForShell) ?? "configs/\(name).yaml"
    }

    func report(_ options: RunOptions, isEvaluated: Bool, in context: RunContext) {
        let seconds = Date().timeIntervalSince(Launch.begin)
        for line in lines(options, seconds: seconds, isEvaluated: isEvaluated) { context.console.say(line) }
    }
}

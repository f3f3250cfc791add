import Foundation
import HDF5
import RunSupport
import Runs
import Supervision
import TestSupport
import Testing
import Training

/// The evaluation at the end of a run. Every test is collective.
@Suite(.serialized) struct EvaluationMPITests {
    private func options(_ directory: String, _ overrides: [String]) throws -> RunOptions {
        try runOptions(
            """
            seed: 5
            objective: classification
            backbone_mode: scratch
            run: {directory: \(directory), evaluate: latest}
            data: {train: ["\(sample("val"))"], test: ["\(sample("test"))"], classes: [QCD, Tbqq]}
            model: {encoder: {width: 16, layers: 1, heads: 2, registers: 2}}
            head: {width: 8, layers: 1, heads: 2}
            preprocessing: {jets: 200, quantiles: 50}
            schedule: {name: constant}
            training: {steps: 2, batch_size: 16, micro_batch_size: 16, checkpoint_interval: 2, keep_last: 9}
            parallel: {threads: 1}
            """, overrides)
    }

    /// Trains, and returns the text of `metrics.json`, empty without one.
    private func report(_ directory: String, _ overrides: String..., stops: Bool = false) throws -> String {
        let outcome = try train(options(directory, overrides), shouldStop: { stops })
        #expect(outcome == (stops ? .stopped : .finished))
        try world.barrier()
        let text = try? String(contentsOfFile: directory + "/evaluation/metrics.json", encoding: .utf8)
        try world.barrier()
        return text ?? ""
    }

    /// Changes the folder on rank 0, once all ranks have come here.
    private func onRoot(_ work: () throws -> Void) throws {
        try world.barrier()
        _ = try world.onRoot { try work() }
        try world.barrier()
    }

    private func measures(_ report: String) throws -> [String: Double] {
        struct Report: Codable { var measures: [String: Double] }
        return try JSONDecoder().decode(Report.self, from: Data(report.utf8)).measures
    }

    /// A run that continues is evaluated again; one that has nothing to do is not.
    @Test func theEvaluationIsThatOfTheLastWeights() throws {
        try withSharedFolder { folder in
            let run = folder + "/run"
            let first = try report(run)
            #expect(first.contains("\"step\" : 2"))
            #expect(try report(run) == first)
            let second = try report(run, "training.steps=4")
            #expect(second.contains("\"step\" : 4"))
            // Other jets, but a signal comes first: what is there stays, and the next start does it.
            let other = "data.test=[\(sample("val"))]"
            #expect(try report(run, "training.steps=4", other, stops: true) == second)
            #expect(try report(run, "training.steps=4", other).contains("val.h5"))
        }
    }

    /// Trained again to the same step, from the first or from an earlier checkpoint.
    @Test func otherWeightsOfTheSameStepAreEvaluated() throws {
        try withSharedFolder { folder in
            let run = folder + "/run"
            let first = try report(run, "training.steps=4")
            let resume = "run.resume=\(checkpoint(run, step: 2))"
            let second = try report(run, "training.steps=4", resume, "optimizer.learning_rate=0.01")
            #expect(second.contains("\"step\" : 4"))
            #expect(try measures(second)["classification_loss"] != measures(first)["classification_loss"])
            try onRoot { try FileManager.default.removeItem(atPath: run + "/checkpoints") }
            let third = try report(run, "training.steps=4", "optimizer.learning_rate=0.02")
            #expect(try measures(third)["classification_loss"] != measures(second)["classification_loss"])
            #expect(try report(run, "training.steps=4", "optimizer.learning_rate=0.02") == third)
            let sum = try FileSeal.checksum(of: checkpoint(run, step: 4))
            #expect(third.contains("\"checkpoint_checksum\" : \"\(sum)\""))
        }
    }

    /// Settings that change the results or the predictions, and the number of the jets of a file.
    @Test func anotherConfigurationIsEvaluated() throws {
        try withSharedFolder { folder in
            let (run, jets) = (folder + "/run", folder + "/jets")
            try onRoot {
                try FileManager.default.createDirectory(atPath: jets, withIntermediateDirectories: true)
                try FileManager.default.copyItem(atPath: sample("test"), toPath: jets + "/a.h5")
            }
            let test = "data.test=[\(jets)]"
            var last = try report(run, test)
            #expect(try report(run, test) == last)
            let changes = [
                ["training.log_interval=7"], ["head.label_smoothing=0.3"], ["evaluate.spectators=[index]"],
                ["data.allow_empty_jets=true"],
            ]
            for change in changes {
                let next = try report(run, test, change[0])
                #expect((next == last) == change[0].hasPrefix("training"), "\(change)")
                last = next
            }
            // Another file in the folder, which the configuration still names alike.
            try onRoot { try FileManager.default.copyItem(atPath: sample("val"), toPath: jets + "/b.h5") }
            #expect(try report(run, test, changes.last![0]).contains("jets/b.h5"))
        }
    }

    /// A report without the checksum may be of other weights of the same step.
    @Test func aReportOfAnEarlierVersionIsReplaced() throws {
        try withSharedFolder { folder in
            let run = folder + "/run"
            let first = try report(run)
            try onRoot {
                let old = first.split(separator: "\n").filter { !$0.contains("checkpoint_checksum") }
                let path = run + "/evaluation/metrics.json"
                try old.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
            }
            #expect(try report(run) == first)
        }
    }

    /// An evaluation is complete with its last file: after a failure to write the predictions, the next start repeats
    /// it, also where there are results of other weights.
    @Test(arguments: [false, true]) func anEvaluationWithoutPredictionsIsRepeated(hasResults: Bool) throws {
        try withSharedFolder { folder in
            let (run, obstacle) = (folder + "/run", folder + "/run/evaluation/predictions.h5")
            if hasResults { #expect(try report(run).contains("\"step\" : 2")) }
            try onRoot {
                try? FileManager.default.removeItem(atPath: obstacle)
                try FileManager.default.createDirectory(atPath: obstacle + "/x", withIntermediateDirectories: true)
            }
            let message = failure { try train(options(run, ["training.steps=4"])) }
            #expect(message.contains(obstacle), "\(message)")
            try world.barrier()
            #expect(!FileManager.default.fileExists(atPath: run + "/evaluation/metrics.json"))
            try onRoot { try FileManager.default.removeItem(atPath: obstacle) }
            #expect(try report(run, "training.steps=4").contains("\"step\" : 4"))
            #expect(try File(opening: obstacle).root.hasAttribute("checkpoint"))
        }
    }

    /// A run of no steps has no checkpoint; one whose links were lost still has.
    @Test func thereMayBeNoCheckpointToEvaluate() throws {
        try withSharedFolder { folder in
            #expect(try report(folder + "/none", "training.steps=0") == "")
            let log = try String(contentsOfFile: folder + "/none/kaon.log", encoding: .utf8)
            #expect(log.contains("no evaluation: \(folder)/none has no checkpoint\n"), "\(log)")

            let run = folder + "/run"
            let first = try report(run)
            try onRoot {
                try FileManager.default.removeItem(atPath: run + "/evaluation")
                try FileManager.default.removeItem(atPath: run + "/checkpoints/latest")
            }
            #expect(try measures(report(run)) == measures(first))
        }
    }
}

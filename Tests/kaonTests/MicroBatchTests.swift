import Foundation
import Testing

/// `training.micro_batch_size: auto`: the number is chosen for the model and the data, and kept.
@Suite(.serialized) struct MicroBatchTests {
    private func chosen(_ run: TinyRun) throws -> Int {
        let text = try String(contentsOfFile: run.directory + "/config.yaml", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.contains("micro_batch_size:") })
        return try #require(Int(line.split(separator: " ").last ?? ""))
    }

    @Test func theChoiceIsRecordedAndKept() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let auto = ["training.micro_batch_size=auto", "training.batch_size=64"]
            let first = try kaon(run.arguments(auto), ranks: 2)
            #expect(first.code == 0, "\(first.errors)")
            // A narrow model takes the whole batch; 640 constituents and more are in 64 jets.
            #expect(try chosen(run) == 64)
            // A run that goes on keeps the choice, unless another size is given.
            let left = ["~training.micro_batch_size", "training.batch_size=64", "training.steps=8"]
            let second = try kaon(run.arguments(left))
            #expect(second.code == 0, "\(second.errors)")
            #expect(try chosen(run) == 64)
            #expect(try kaon(run.arguments(left + ["training.micro_batch_size=4", "training.steps=10"])).code == 0)
            #expect(try chosen(run) == 4)
            let dry = try kaon(run.arguments(auto + ["run.directory=\(folder)/none", "--dry-run"]))
            #expect(dry.output.contains("micro-batch of 64 jets"), "\(dry.errors)")
        }
    }

    @Test func otherWordsAreRefused() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(["training.micro_batch_size=all"]))
            #expect(outcome.code != 0 && outcome.errors.contains("training.micro_batch_size"), "\(outcome.errors)")
        }
    }
}

import Commands
import Foundation
import TestSupport
import Testing

@Suite struct ComparisonTests {
    private func makeRun(_ folder: String, width: Int, _ rows: [String]) throws -> String {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try "seed: 0\nmodel:\n  width: \(width)\ntraining:\n  steps: 40\n"
            .write(toFile: folder + "/config.yaml", atomically: true, encoding: .utf8)
        let header = "step,epoch,jets,train/a_loss,valid/a_loss,valid/accuracy,valid/mae,learning_rate"
        try ([header] + rows).map { $0 + "\n" }.joined()
            .write(toFile: folder + "/metrics.csv", atomically: true, encoding: .utf8)
        return folder
    }

    @Test func theTablesSayWhatDiffersAndWhatCameOfIt() throws {
        try withScratchFolder { folder in
            let a = try makeRun(
                folder + "/a", width: 8,
                [
                    "10,0,100,3,,,,0.1", "20,0,200,1,2.5,0.5,0.25,0.2", "30,0,300,2,3.5,0.75,0.5,0.3",
                ])
            let b = try makeRun(folder + "/b", width: 16, ["10,0,100,nan,,,,0.1"])
            // A line that is still being written.
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: b + "/metrics.csv"))
            try file.seekToEnd()
            try file.write(contentsOf: Data("20,0,2".utf8))
            #expect(
                try compare(a, b, showsCurves: false) == """
                    A  \(a): 30 of 40 steps
                    B  \(b): 10 of 40 steps

                    configuration  A  B
                    model.width    8  16

                    metrics         A last  A best (step)  B last  B best (step)
                    train/a_loss    2       1 (20)         –       –
                    valid/a_loss    3.5     2.5 (20)       –       –
                    valid/accuracy  0.75    0.75 (30)      –       –
                    valid/mae       0.5     0.25 (20)      –       –
                    learning_rate   0.3                    0.1
                    """)
            #expect(try compare(a, a, showsCurves: true).contains("the configurations are equal"))
            #expect(try compare(a, a, showsCurves: true).contains("train/a_loss    A"))
        }
    }

    /// A checkpoint may be of a later step than the last row.
    @Test func stepsAreThoseOfTheLastCheckpoint() throws {
        try withScratchFolder { folder in
            let a = try makeRun(folder + "/a", width: 8, ["10,0,100,3,,,,0.1"])
            let b = try makeRun(folder + "/b", width: 8, [])
            for (run, step) in [(a, 4), (a, 8), (b, 4)] {
                let path = "\(run)/checkpoints/step-0000000\(step).h5"
                try FileManager.default.createDirectory(atPath: run + "/checkpoints", withIntermediateDirectories: true)
                try "".write(toFile: path, atomically: true, encoding: .utf8)
            }
            let text = try compare(a, b, showsCurves: false)
            #expect(text.hasPrefix("A  \(a): 10 of 40 steps\nB  \(b): 4 of 40 steps\n"), "\(text)")
        }
    }

    /// Sections that one run alone has, at any depth, are a row each.
    @Test func sectionsOfOneRunAreOneRow() throws {
        try withScratchFolder { folder in
            let (a, b) = (folder + "/a", folder + "/b")
            for (run, text) in [
                (a, "seed: 0\ntasks: {kmeans: {clusters: 16, iterations: 2}, probe: {}, regression: {loss: l1}}\n"),
                (
                    b,
                    "seed: 1\nhead: {name: mlp, widths: [8]}\ntasks: {probe: {}}\nold: {model: {width: 8, layers: 1}}\n"
                ),
            ] {
                try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
                try text.write(toFile: run + "/config.yaml", atomically: true, encoding: .utf8)
            }
            let text = try compare(a, b, showsCurves: false)
            #expect(
                text.contains(
                    """
                    configuration          A       B
                    seed                   0       1
                    head                   –       2 keys
                    old                    –       2 keys
                    tasks.kmeans           2 keys  –
                    tasks.regression.loss  l1      null
                    """), "\(text)")
        }
    }

    @Test func linesHaveTheirHeights() {
        let points = [(step: 1, value: 0.0), (2, 1.0), (3, 2.0), (3, 4.0), (80, 7.0)]
        let line = sparkline(points, 0...7, steps: 80)
        #expect(line.count == 40)
        // The first two steps share a column.
        #expect(line.hasPrefix("▁▄▄▄") && line.hasSuffix("▄█"))
        #expect(sparkline([(1, 3)], 3...3, steps: 1) == "▁" + String(repeating: " ", count: 39))
    }

    @Test func whatIsNoRunIsNamed() throws {
        try withScratchFolder { folder in
            #expect(
                failure { _ = try compare(folder, folder, showsCurves: false) }
                    == "\(folder) is not a run directory: it has no config.yaml")
            let run = try makeRun(folder + "/a", width: 8, ["10,0,100,3,,"])
            #expect(
                failure { _ = try compare(run, run, showsCurves: false) }
                    == "\(run)/metrics.csv is damaged: '10,0,100,3,,'")
        }
    }
}

import Foundation
import HDF5
import Testing

/// Output on the console during training, and in log files.
@Suite(.serialized) struct ConsoleTests {
    private let wholeRun = [
        #"kaon [0-9.]+: RANKS × 1 thread, products in fp32, on .+"#,
        #"libraries: Open MPI [0-9.]+ \(threads: [a-z]+\), HDF5 [0-9.]+, OpenBLAS [0-9.]+ for .+"#,
        #"model: mpm_v2, [0-9]+ parameters; terms: 0\.3 × particle_id, 1\.0 × kmeans"#,
        #"data: 1000 training jets in 1 file, 40 validation jets; 10 classes"#,
        #"run: .+/run, 6 steps of 20 jets"#,
        #"fitting the preprocessing to up to 2000 jets"#,
        #"k-means: 16 centroids of [0-9]+ constituents, mean squared distance [0-9.]+, [0-9]+ clusters in use"#,
        #"k-means: [0-9]+ to [0-9]+ constituents in a cluster, perplexity [0-9]+, [0-9]+ centroids reseeded"#,
        #"step 2/6  loss [0-9.]+  [0-9.]+ jets/s  .+ left"#,
        #"step 4/6  loss [0-9.]+  [0-9.]+ jets/s  .+ left"#,
        #"step 4: validation loss [0-9.]+ \(particle_id [0-9.]+, kmeans [0-9.]+\)"#,
        #"step 4: checkpoint .+/run/checkpoints/step-00000004\.h5"#,
        #"step 6/6  loss [0-9.]+  [0-9.]+ jets/s  done in .+"#,
        #"step 6: validation loss [0-9.]+ \(particle_id [0-9.]+, kmeans [0-9.]+\)"#,
        #"step 6: checkpoint .+/run/checkpoints/step-00000006\.h5"#,
        #"finished in .+: 6 steps"#,
        #"best checkpoint: .+/run/checkpoints/best \(step [46], validation loss [0-9.]+\)"#,
        #"next: kaon finetune configs/finetune-classification\.yaml backbone=.+/best backbone_mode=fine_tuned "#
            + #"'data\.train=\[.+/val\.h5\]' 'data\.validation=\[.+/test\.h5\]' 'data\.test=\[test\.h5\]'"#,
    ]

    private func expect(
        _ lines: [String], match patterns: [String], at location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(lines.count == patterns.count, "\(lines.joined(separator: "\n"))", sourceLocation: location)
        // A checkpoint that is written during training is reported when it is complete.
        let inBackground = "step 4: checkpoint"
        let saved = (
            lines.filter { $0.contains(inBackground) }, patterns.filter { $0.contains(inBackground) }
        )
        let others = (
            lines.filter { !$0.contains(inBackground) }, patterns.filter { !$0.contains(inBackground) }
        )
        #expect(saved.0.count == saved.1.count, sourceLocation: location)
        for (line, pattern) in zip(saved.0 + others.0, saved.1 + others.1) {
            #expect(
                try Regex(pattern).wholeMatch(in: line) != nil, "\(line) is not \(pattern)",
                sourceLocation: location)
        }
    }

    /// mpirun may give its ranks a terminal though its own output goes to a file, and a script may stand in
    /// between.
    @Test(arguments: [nil, 2], [[], ["sh", "-c", #""$0" "$@""#]])
    func aRedirectedLogHasPlainLines(ranks: Int?, wrapper: [String]) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(), ranks: ranks, wrapper: wrapper)
            #expect(outcome.code == 0)
            #expect(outcome.errors == "")
            #expect(outcome.output.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 32 })
            let patterns = wholeRun.map { $0.replacing("RANKS", with: ranks == nil ? "1 rank" : "2 ranks") }
            try expect(outcome.output.split(separator: "\n").map(String.init), match: patterns)

            let log = try String(contentsOfFile: run.directory + "/kaon.log", encoding: .utf8)
            let stamp = #"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z info: "#
            let lines = log.split(separator: "\n").map(String.init)
            // The log begins with the program, the command and the machine.
            let names = ["kaon", "commit", "command", "host", "processor", "libraries", "seed"]
            try expect(Array(lines.prefix(names.count)), match: names.map { stamp + $0 + ": .+" })
            try expect(Array(lines.dropFirst(names.count)), match: patterns.map { stamp + $0 })
        }
    }

    /// On a terminal the progress line is drawn over itself, and other lines stand alone.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/bin/script")), arguments: [nil, 2])
    func aTerminalShowsProgress(ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let arguments = run.arguments()
            let mpirun = ranks.map { "mpirun --oversubscribe -n \($0) " } ?? ""
            let output = folder + "/terminal"
            let command = "\(mpirun)\(KaonProcess.program) \(arguments.joined(separator: " "))"
            // A wide terminal: mpirun gives one of unknown width to its ranks.
            let wide = "stty columns 120; COLUMNS=120 " + command
            let outcome = try KaonProcess(command: ["script", "-qec", wide, "/dev/null"], output: output)
                .outcome()
            #expect(outcome.code == 0)
            let screen = try String(contentsOfFile: output, encoding: .utf8).replacing("\r\n", with: "\n")
            // Every step is drawn with a bar, and wiped before a message comes.
            let drawn = screen.split(separator: "\r").map(String.init)
            for step in 1...6 {
                let values = #"epoch 0\.[0-9]  lr [0-9.]+e[-+]0[0-9]  loss [0-9.]+.*"#
                let line = try Regex(#"[█░#.]+ +\#(step * 100 / 6) %  step \#(step)/6  "# + values)
                #expect(drawn.contains { (try? line.prefixMatch(in: $0)) ?? nil != nil }, "step \(step): \(drawn)")
            }
            let lines = screen.split(separator: "\n").map { line in
                String(line.split(separator: "\r", omittingEmptySubsequences: false).last!)
            }
            let patterns = wholeRun.map { $0.replacing("RANKS", with: ranks == nil ? "1 rank" : "2 ranks") }
            try expect(
                lines, match: patterns.filter { !$0.hasPrefix("step 2/6") && !$0.contains("/6  loss") })
            // A progress line never fills the terminal.
            let bars = drawn.compactMap { $0.split(separator: "\n").last }.filter { $0.contains(/^[█░#.]+ +[0-9]+ %/) }
            #expect(bars.count >= 6 && bars.allSatisfy { $0.count < 120 })
        }
    }

    /// A terminal that cannot redraw a line gets whole ones, as a file does.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/bin/script")))
    func aDumbTerminalHasPlainLines() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let command = "env TERM=dumb \(KaonProcess.program) \(run.arguments().joined(separator: " "))"
            let outcome = try KaonProcess(command: ["script", "-qec", command, "/dev/null"]).outcome()
            #expect(outcome.code == 0)
            let text = outcome.output.replacing("\r\n", with: "\n")
            #expect(!text.contains("\r"))
            let patterns = wholeRun.map { $0.replacing("RANKS", with: "1 rank") }
            try expect(text.split(separator: "\n").map(String.init), match: patterns)
            let packed = "env TERM=dumb \(KaonProcess.program) pack \(sample("val")) --output \(folder)/packed.h5"
            let pack = try KaonProcess(command: ["script", "-qec", packed, "/dev/null"]).outcome()
            #expect(pack.code == 0 && !pack.output.replacing("\r\n", with: "\n").contains("\r"), "\(pack.output)")
        }
    }

    /// Colour is for eyes: not in a file, and not for those who refuse it.
    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: "/usr/bin/script")),
        arguments: [
            ("TERM=xterm NO_COLOR=", true), ("TERM=xterm NO_COLOR=1", false), ("TERM=dumb NO_COLOR=", false),
        ])
    func errorsHaveAColourOnATerminal(environment: String, hasColour: Bool) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let arguments = run.arguments(["nope=1"]).joined(separator: " ")
            let outcome = try KaonProcess(
                command: ["script", "-qec", "env \(environment) \(KaonProcess.program) \(arguments)", "/dev/null"]
            ).outcome()
            #expect(outcome.code == 1)
            #expect(
                outcome.output.hasPrefix(
                    (hasColour ? "\u{1b}[1;31mError: \u{1b}[0m" : "Error: ") + "on the command line"))
            let redirected = try kaon(run.arguments(["nope=1"]))
            #expect(redirected.errors.hasPrefix("Error: on the command line"))
        }
    }

    /// A full disk behind the redirection, or a reader that has gone, does not end the training.
    @Test func trainingOutlivesItsListener() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try KaonProcess(run.arguments(), output: "/dev/full").outcome().code == 0)
            let pipeline = [
                "sh", "-c",
                #"{ "$0" "$@"; echo $? > FOLDER/code; } | head -n 1"#.replacing("FOLDER", with: folder),
            ]
            let outcome = try kaon(run.arguments(["training.steps=40"]), wrapper: pipeline)
            #expect(outcome.output.split(separator: "\n").count == 1)
            #expect(try String(contentsOfFile: folder + "/code", encoding: .utf8) == "0\n")
            #expect(
                try FileManager.default.destinationOfSymbolicLink(atPath: run.latest) == "step-00000040.h5")
        }
    }

    @Test func aRunThatIsDoneSaysSo() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments()).code == 0)
            let before = try run.contents()
            let again = try kaon(run.arguments())
            #expect(again.code == 0)
            #expect(again.output.hasSuffix("nothing to do: the run has 6 steps, training.steps is 6\n"))
            #expect(try run.contents() == before)
        }
    }

    /// State fitted to the data is kept before the first checkpoint, as long as it is what would be
    /// learned again.
    @Test func aRestartDoesNotLearnTheDataAgain() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let data = folder + "/data.h5"
            try copySample(to: data)
            func output(_ overrides: String...) throws -> String {
                let outcome = try kaon(run.arguments(["data.train=[\(data)]"] + overrides))
                #expect(outcome.code == 0)
                return outcome.output
            }
            let (again, anew) = (
                "preprocessing and tokens from \(run.directory)/fitted.h5\n", "fitting the preprocessing"
            )
            #expect(try output("training.steps=0").contains(anew))
            #expect(try output("training.steps=0").contains(again))
            #expect(try output("training.steps=0", "preprocessing.quantiles=40").contains(anew))
            #expect(try output("training.steps=0", "tasks.kmeans.clusters=8").contains(anew))
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: data)
            #expect(try output("training.steps=0", "tasks.kmeans.clusters=8").contains(anew))
            try Data("broken".utf8).write(to: URL(fileURLWithPath: run.directory + "/fitted.h5"))
            #expect(try output("tasks.kmeans.clusters=8").contains(anew))
        }
    }

    @Test func weightsOfAnotherRunMayBeginARun() throws {
        try withScratchFolder { folder in
            let first = try TinyRun(in: folder + "/first")
            #expect(try kaon(first.arguments()).code == 0)
            let second = try TinyRun(in: folder + "/second")
            // A step that changes nothing.
            let outcome = try kaon(
                second.arguments(
                    [
                        "model.initial_weights=\(first.latest)", "training.steps=1",
                        "optimizer.learning_rate=0",
                        "training.batch_size=30",
                    ]))
            #expect(outcome.code == 0)
            #expect(
                outcome.output.contains(
                    "initial weights from \(first.latest); preprocessing and tokens are those"))
            func weights(_ run: TinyRun) throws -> [Float] {
                try File(opening: run.latest).root.read(
                    "model/encoder.layers.0.attention.qkv.weight", as: Float.self)
            }
            #expect(try weights(first) == weights(second))
        }
    }

    /// The complete configuration that a run leaves makes the same run.
    @Test func theResolvedConfigurationRepeatsTheRun() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments()).code == 0)
            let copy = try TinyRun(in: folder + "/copy")
            let outcome = try kaon([
                "pretrain", run.directory + "/config.yaml", "run.directory=\(copy.directory)",
            ])
            #expect(outcome.code == 0)
            let tables = try [run, copy].map { run in
                try String(contentsOfFile: run.directory + "/metrics.csv", encoding: .utf8)
                    .split(separator: "\n").map {
                        // All but the two columns that the clock writes.
                        $0.split(separator: ",", omittingEmptySubsequences: false).dropLast(2)
                    }
            }
            #expect(tables[0].count == 5 && tables[0] == tables[1])
        }
    }
}

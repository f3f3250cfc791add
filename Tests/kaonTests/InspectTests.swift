import Foundation
import HDF5
import Testing

@Suite(.serialized) struct InspectTests {
    @Test func aDataFile() throws {
        let outcome = try kaon(["inspect", sample("val")])
        #expect(outcome.code == 0)
        #expect(outcome.errors == "")
        let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(
            lines.first
                == "\(sample("val")) (589.6 kB): jets in the padded layout, 1000 of up to 128 constituents")
        #expect(
            lines.dropFirst().prefix(5) == [
                "", "class  name  jets    share", "0      QCD    100  10.00 %", "1      Tbl    100  10.00 %",
                "2      Tbqq   100  10.00 %",
            ])
        #expect(lines.contains("dataset  type     shape           stored"))
        #expect(lines.contains { $0.hasPrefix("csts     float32  1000 × 128 × 7  ") })
        #expect(lines.allSatisfy { $0.last != " " })
        let heads = lines.compactMap { $0.split(separator: " ").first }
        for name in ["pt", "deta", "dphi", "d0", "d0err", "dz", "dzerr", "constituents", "photon"] {
            #expect(heads.contains(Substring(name)))
        }
        #expect(
            lines.contains {
                $0.hasPrefix("Impact parameters") && $0.hasSuffix("from all 1000 jets.")
            })
    }

    @Test func manyFiles() throws {
        try withScratchFolder { folder in
            for name in ["a", "b"] { try copySample(to: "\(folder)/\(name).h5") }
            let outcome = try kaon(["inspect", folder])
            #expect(outcome.code == 0)
            #expect(outcome.output.hasPrefix("2 files ("))
            #expect(
                outcome.output.contains(
                    "): 2000 jets\n\nclass  name  jets    share\n0      QCD    200  10.00 %\n"))

            let json = try kaon(["inspect", "--json", folder + "/a.h5", folder + "/b.h5"])
            let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
            let figures = try #require(object as? [String: Any])
            #expect(figures["jets"] as? Int == 2000 && (figures["features"] as? [Any])?.count == 7)
        }
    }

    @Test func aFileThatCannotBeTrainedOn() throws {
        try withScratchFolder { folder in
            let path = folder + "/broken.h5"
            var table = try JetTable()
            table.missing = "mask"
            try table.write(to: path)
            let outcome = try kaon(["inspect", path])
            #expect(outcome.code == 0)
            #expect(
                outcome.output.contains(
                    "\nnot usable: dataset /mask is missing in \(path); a file of jets has"))
            #expect(outcome.output.contains("\ncsts_id  int32    40 × 128"))

            let other = folder + "/other.h5"
            let file = try File(creating: other)
            try file.root.write([1, 2, 3] as [Int], as: "a/b")
            try file.close()
            let description = try kaon(["inspect", other])
            #expect(
                description.output.contains(
                    "neither a checkpoint of kaon nor jets in the padded or the packed"))
            #expect(description.output.contains("\na/b      int64  3      0.0 kB"))
        }
    }

    @Test func aCheckpoint() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments()).code == 0)
            let outcome = try kaon(["inspect", run.latest])
            #expect(outcome.code == 0)
            for text in [
                "\(run.latest) (", " a checkpoint of kaon 0.1.0\n",
                "step 6, epoch 0, 6 batches of it done, 120 jets seen\n",
                "trained on batches of 20 of 1000 jets, shuffled, seed 0, files of 2 blocks of up to 960 jets\n",
                " parameters, 6 updates of the optimizer\n",
                "\n  training:\n    steps: 6\n    batch_size: 20\n",
                "\nembedding.continuous.weight                 float32  16 × 7    0.5 kB\n",
                "\npreprocessing/quantiles ",
            ] {
                #expect(outcome.output.contains(text), "\(text) is not in\n\(outcome.output)")
            }
            // The moments of the optimizer would only repeat the table.
            #expect(!outcome.output.contains("first_moment"))
        }
    }

    @Test func whatCannotBeRead() throws {
        try withScratchFolder { folder in
            let text = folder + "/text.h5"
            try "not data".write(toFile: text, atomically: true, encoding: .utf8)
            for (path, reason) in [
                (text, "not an HDF5 file"),
                (folder + "/no.h5", "no such file or directory"),
            ] {
                let outcome = try kaon(["inspect", path])
                #expect(outcome.code == 1)
                #expect(outcome.complaints == ["Error: HDF5 open \(path): \(reason)"])
                #expect(outcome.output == "")
            }
        }
    }

    private func json(_ path: String) throws -> [String: Any] {
        let outcome = try kaon(["inspect", "--json", path])
        #expect(outcome.code == 0, "\(outcome.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    /// Text and JSON agree on whether a file can be trained on, and why not.
    @Test func theVerdictIsTheSameInBothFormats() throws {
        try withScratchFolder { folder in
            for (name, change) in [
                ("missing", { $0.missing = "mask" }), ("empty", { for slot in 0..<128 { $0.mask[slot] = 0 } }),
                ("infinite", { $0.csts[3] = .infinity }), ("good", { _ in }),
            ] as [(String, (inout JetTable) -> Void)] {
                let path = "\(folder)/\(name).h5"
                var table = try JetTable()
                change(&table)
                try table.write(to: path)
                let text = try kaon(["inspect", path])
                let figures = try json(path)
                #expect(text.code == 0 && figures["kind"] as? String == "jets")
                #expect(figures["usable"] as? Bool == (name == "good"))
                if let reason = figures["reason"] as? String {
                    #expect(text.output.contains(reason), "\(text.output)")
                } else {
                    #expect(name == "good" && !text.output.contains("not usable"))
                }
            }
        }
    }

    @Test func everyFileThatKaonWritesIsDescribed() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments()).code == 0)
            let (test, encoded, recovered) = ("data.test=[\(sample("test"))]", folder + "/e.h5", folder + "/r.h5")
            let task = try TinyRun(in: folder + "/task")
            for arguments in [
                ["encode", run.latest, test, "--output", encoded],
                ["generate", "--reconstruct", run.latest, test, "--jets", "20", "--output", recovered],
                task.arguments("classification", [test]),
            ] { #expect(try kaon(arguments).code == 0) }
            let names = "QCD, Tbl, Tbqq, Wqq, Zqq, Hbb, Hcc, Hgg, H4q, Hqql"
            for (path, kind, words) in [
                (
                    run.directory + "/fitted.h5", "fitted",
                    ["preprocessing: quantile of pt, deta", "tasks/kmeans", "classes: none"]
                ),
                (encoded, "encodings", ["encodings of 1000 jets with 16 channels", "encoded by \(run.latest)", names]),
                (
                    recovered, "reconstructions",
                    ["20 jets with 40 % of their constituents dropped", "by kmeans", names]
                ),
                (
                    task.directory + "/evaluation/predictions.h5", "predictions",
                    [
                        "predictions of kaon evaluate for 1000 jets", "checkpoint: \(task.directory)/checkpoints",
                        names, "\nkaon: ", "\ncommit: ", "\ncommand: kaon finetune",
                    ]
                ), (run.latest, "checkpoint", ["step 6, epoch 0"]),
            ] {
                let text = try kaon(["inspect", path])
                let figures = try json(path)
                #expect(text.code == 0 && figures["kind"] as? String == kind)
                #expect(!(figures["datasets"] as? [Any] ?? []).isEmpty)
                for word in words {
                    #expect(text.output.contains(word), "\(word) is not in\n\(text.output)")
                    #expect((figures["description"] as? String)?.contains(word) == true)
                }
            }
        }
    }
}

import Foundation
import Testing

struct EvaluationErrorTests {
    /// The test result of a run must not be lost to an evaluation on other jets.
    @Test func anExistingResultIsKept() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments()).code == 0)
            let arguments = ["evaluate", run.latest, "data.test=[\(sample("test"))]"]
            let metrics = run.directory + "/evaluation/metrics.json"
            #expect(try kaon(arguments).code == 0)
            // The folder of the checkpoints has the same place of the result.
            let folders = try kaon(["evaluate", run.directory + "/checkpoints"] + arguments.dropFirst(2))
            #expect(folders.code == 1 && folders.errors.contains("such as \(run.latest)"), "\(folders.errors)")
            try "precious".write(toFile: metrics, atomically: true, encoding: .utf8)
            let refused = try kaon(arguments)
            #expect(refused.code == 1)
            #expect(
                refused.errors.contains(
                    "\(metrics) already exists; choose another folder with --output, or --force to replace it"))
            #expect(try String(contentsOfFile: metrics, encoding: .utf8) == "precious")
            // A mistake in the arguments is named rather than the result in its place.
            let missing = run.directory + "/checkpoints/nosuch"
            let wrong = try kaon(["evaluate", missing] + arguments.dropFirst(2))
            #expect(wrong.code == 1 && wrong.errors.contains("\(missing): no such file"), "\(wrong.errors)")
            #expect(try kaon(["evaluate", run.latest, "nope=1"]).errors.contains("nope: unknown key"))
            #expect(try kaon(arguments + ["--output", folder + "/other"]).code == 0)
            // Predictions of another model do not stay beside the results.
            let predictions = run.directory + "/evaluation/predictions.h5"
            try "of another model".write(toFile: predictions, atomically: true, encoding: .utf8)
            #expect(try kaon(arguments + ["--force"]).code == 0)
            #expect(!FileManager.default.fileExists(atPath: predictions))
            #expect(try String(contentsOfFile: metrics, encoding: .utf8) != "precious")
        }
    }

    /// Jets that count twice make the errors too small, and training jets the results too good.
    @Test func testFilesAreDistinctAndNew() throws {
        try withScratchFolder { folder in
            let (run, jets) = (try TinyRun(in: folder), folder + "/jets")
            try FileManager.default.createDirectory(atPath: jets, withIntermediateDirectories: true)
            try copySample(to: jets + "/train.h5")
            let (test, link) = (sample("test"), folder + "/link.h5")
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: test)
            #expect(try kaon(run.arguments(["training.steps=1", "data.train=[\(jets)]"])).code == 0)
            func said(_ files: String, ranks: Int? = nil) throws -> [String] {
                let outcome = try kaon(["evaluate", run.latest, "data.test=[\(files)]", "--force"], ranks: ranks)
                #expect(outcome.code == 0, "\(outcome.errors)")
                return outcome.output.split(separator: "\n").map(String.init).filter { $0.hasPrefix("warning: ") }
            }
            #expect(try said(test) == [])
            #expect(
                try said("\(test), \(test)", ranks: 2) == [
                    "warning: data.test names \(test) more than once: its jets are read as often"
                ])
            #expect(
                try said("\(test), \(link)") == [
                    "warning: data.test names \(link) more than once, also as \(test): its jets are read as often"
                ])
            #expect(
                try said("\(test), \(jets)/train.h5", ranks: 2) == [
                    "warning: data.test and data.train both have \(jets)/train.h5: its results are not those "
                        + "of new jets"
                ])
            // The training files may be gone.
            try FileManager.default.moveItem(atPath: jets, toPath: folder + "/moved")
            #expect(try said(folder + "/moved") == [])
        }
    }

    /// A place that cannot be written to is refused before the jets are read.
    @Test func thePlaceOfTheResultIsCheckedFirst() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            #expect(try kaon(run.arguments(["training.steps=1"])).code == 0)
            for ranks in [nil, 2] {
                let refused = try kaon(
                    ["evaluate", run.latest, "data.test=[\(sample("test"))]", "--output", folder + "/tiny.yaml"],
                    ranks: ranks)
                #expect(refused.code == 1 && refused.output == "")
                #expect(
                    refused.complaints == [
                        "Error: cannot write to \(folder)/tiny.yaml: Not a directory; choose another folder with "
                            + "--output"
                    ])
            }
        }
    }
}

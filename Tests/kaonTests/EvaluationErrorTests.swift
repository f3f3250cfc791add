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
            try "precious".write(toFile: metrics, atomically: true, encoding: .utf8)
            let refused = try kaon(arguments)
            #expect(refused.code == 1)
            #expect(
                refused.errors.contains(
                    "\(metrics) already exists; choose another folder with --output, or --force to replace it"))
            #expect(try String(contentsOfFile: metrics, encoding: .utf8) == "precious")
            #expect(try kaon(arguments + ["--output", folder + "/other"]).code == 0)
            // Predictions of another model do not stay beside the results.
            let predictions = run.directory + "/evaluation/predictions.h5"
            try "of another model".write(toFile: predictions, atomically: true, encoding: .utf8)
            #expect(try kaon(arguments + ["--force"]).code == 0)
            #expect(!FileManager.default.fileExists(atPath: predictions))
            #expect(try String(contentsOfFile: metrics, encoding: .utf8) != "precious")
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

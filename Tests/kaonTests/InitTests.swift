import Foundation
import Testing

@Suite struct InitTests {
    /// As a newcomer would: the file that comes, the jets, and nothing else but a smaller model.
    @Test func aTemplateTrains() throws {
        try withScratchFolder { folder in
            let path = folder + "/first.yaml"
            let written = try kaon(["init", folder + "/first"])
            #expect(written.code == 0 && written.output == "written: \(path)\n")
            let run = try kaon([
                "pretrain", path, "data.train=[\(sample("val"))]", "data.validation=[\(sample("test"))]",
                "run.directory=\(folder)/run", "model.encoder.width=16", "model.encoder.layers=1",
                "model.decoder.width=16", "model.decoder.layers=1", "tasks.kmeans.clusters=16",
                "tasks.kmeans.fit_jets=100", "training.steps=2", "training.batch_size=16",
            ])
            #expect(run.code == 0, "\(run.errors)")

            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            let again = try kaon(["init", path, "--objective", "vqvae"])
            #expect(again.code != 0 && again.complaints == ["Error: \(path) already exists; choose another name"])
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        }
    }

    @Test func aMissingFolderIsCreated() throws {
        try withScratchFolder { folder in
            #expect(try kaon(["init", folder + "/a/b/first"]).output == "written: \(folder)/a/b/first.yaml\n")
            let outcome = try kaon(["init", folder + "/a/b/first.yaml/second"])
            #expect(outcome.code == 1)
            #expect(
                outcome.complaints.first?.hasPrefix(
                    "Error: cannot write \(folder)/a/b/first.yaml/second.yaml: cannot create the folder ") == true)
        }
    }

    @Test func anUnknownObjectiveListsThoseThereAre() throws {
        try withScratchFolder { folder in
            let outcome = try kaon(["init", folder + "/x", "--objective", "mpm"])
            #expect(outcome.code == 64)
            for name in [
                "mpm_v1", "mpm_v2", "vqvae", "set_flow", "next_token", "classification", "cwola", "vertexing",
                "track_origin", "regression",
            ] {
                #expect(outcome.errors.contains("- \(name)\n"))
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
    }

    /// Comments are plain text: links of the reference page lead nowhere here.
    @Test(arguments: ["mpm_v1", "mpm_v2", "vqvae", "set_flow", "next_token", "classification", "regression"])
    func commentsHaveNoLinks(objective: String) throws {
        try withScratchFolder { folder in
            #expect(try kaon(["init", folder + "/x", "--objective", objective]).code == 0)
            let text = try String(contentsOfFile: folder + "/x.yaml", encoding: .utf8)
            #expect(!text.contains("](") && !text.contains(".md#"), "\(text)")
        }
    }
}

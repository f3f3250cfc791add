import Configuration
import Foundation
import Testing
import Training

/// The configurations that come with kaon belong together.
@Suite struct ConfigurationFilesTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("configs").path

    /// All files, relative to `configs/`.
    private static let files =
        ((try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []).filter {
            $0.hasSuffix(".yaml")
        }.sorted()

    private func options(_ file: String) throws -> RunOptions {
        let configuration = try Configuration(contentsOf: Self.folder + "/" + file)
        var pretrained = RunOptions.Pretrained()
        if try configuration.section().section("tokenizer").optionalString("checkpoint") != nil {
            let version = file.contains("v1") ? "v1" : "v2"
            pretrained.tokenizer = try options("small/vqvae-\(version).yaml")
        }
        return try RunOptions(configuration, name: "x", pretrained: pretrained)
    }

    @Test(arguments: files) func aRunHasTheNameOfItsFile(file: String) throws {
        let options = try options(file)
        let stem = String(file.dropLast(".yaml".count))
        let directory = stem.hasPrefix("small/") ? "small-" + stem.dropFirst("small/".count) : stem
        #expect(options.run.directory == "runs/" + directory)
    }

    @Test func theTasksOfVersion2HaveSmallTwins() throws {
        #expect(Self.files.count { $0.hasPrefix("ablation/") } == 7)
        for file in Self.files
        where file.hasPrefix("ablation/") || file.hasPrefix("mpmv2-") || file == "set-flow.yaml" {
            try #require(Self.files.contains("small/" + file), "small/\(file)")
            #expect(try options(file).objective.name == options("small/" + file).objective.name)
        }
    }
}

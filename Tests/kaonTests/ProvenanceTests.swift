import Foundation
import HDF5
import Testing

/// The version, the commit, the command and the machine in the files of a run.
@Suite(.serialized) struct ProvenanceTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The commit exists in the repository; the tests may also run outside one.
    @Test func theVersionNamesTheCommit() throws {
        let lines = try kaon(["--version"]).output.split(separator: "\n").map(String.init)
        #expect(lines.count == 5)
        #expect(lines.map { $0.prefix { $0 != ":" } } == ["0.1.0", "commit", "host", "processor", "libraries"])
        let commit = try #require(lines[1].wholeMatch(of: /commit: (unknown|[0-9a-f]{40})( \(modified\))?/)).1
        if FileManager.default.fileExists(atPath: Self.root + "/.git") {
            let known = try KaonProcess(command: ["git", "-C", Self.root, "cat-file", "-e", "\(commit)^{commit}"])
            #expect(try known.outcome().code == 0, "\(commit)")
        }
    }

    @Test func everyFileOfARunHasIt() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let arguments = run.arguments(
                "classification", ["data.test=[\(sample("test"))]", "seed=11", "run.name=it's"])
            let outcome = try kaon(arguments)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let version = try kaon(["--version"]).output.split(separator: "\n").map(String.init)
            let command = "command: kaon finetune \(folder)/tiny.yaml objective=classification"
            let name = "'run.name=it'\\''s'"

            let header = try String(contentsOfFile: run.directory + "/config.yaml", encoding: .utf8)
                .split(separator: "\n").prefix { $0.hasPrefix("# ") }.map { String($0.dropFirst(2)) }
            #expect(header.first == "kaon: 0.1.0" && header.count == 8)
            #expect(header.contains { $0.hasPrefix(command) && $0.contains(name) } && header.contains("seed: 11"))
            #expect(version.dropFirst().allSatisfy { header.contains($0) })

            let log = try String(contentsOfFile: run.directory + "/kaon.log", encoding: .utf8)
            for line in header.dropLast() { #expect(log.contains(" info: \(line)\n"), "\(line)") }
            #expect(!outcome.output.contains(command))

            let file = try File(opening: run.latest)
            #expect(try "commit: " + file.root.stringAttribute("commit") == version[1])
            #expect(try file.root.stringAttribute("command").contains(name))
            let inspected = try kaon(["inspect", run.latest]).output
            #expect(version.dropFirst().allSatisfy { inspected.contains("\n\($0)\n") }, "\(inspected.prefix(2000))")

            struct Report: Codable {
                struct Provenance: Codable { var kaon, commit, command, host, processor, libraries: String, seed: Int }
                var provenance: Provenance
            }
            let report = try JSONDecoder().decode(
                Report.self, from: Data(contentsOf: URL(fileURLWithPath: run.directory + "/evaluation/metrics.json")))
            #expect(report.provenance.seed == 11 && report.provenance.kaon == "0.1.0")
            #expect("host: \(report.provenance.host)" == version[2])
            #expect("libraries: \(report.provenance.libraries)" == version[4])
        }
    }
}

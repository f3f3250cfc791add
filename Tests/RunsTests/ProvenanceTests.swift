import Configuration
import Foundation
import HDF5
import Runs
import System
import TestSupport
import Testing

/// The only suite that sets the revision of the program.
@Suite(.serialized) struct ProvenanceTests {
    private func withRevision(_ revision: SourceRevision, _ body: () throws -> Void) rethrows {
        let before = SourceRevision.current
        SourceRevision.current = revision
        defer { SourceRevision.current = before }
        try body()
    }

    @Test func theCommitMayBeUnknown() {
        #expect(SourceRevision().description == "unknown")
        #expect(SourceRevision(commit: "1a2b", isModified: true).description == "1a2b (modified)")
        withRevision(SourceRevision(commit: "1a2b", isModified: true)) {
            #expect(Provenance().commit == "1a2b" && Provenance().modified)
            #expect(Provenance().versionText.hasPrefix("\(kaonVersion)\ncommit: 1a2b (modified)\nhost: "))
        }
        withRevision(SourceRevision()) {
            #expect(Provenance().commit == "unknown" && !Provenance().modified)
        }
    }

    @Test func everyPartIsNamed() throws {
        let found = Dictionary(uniqueKeysWithValues: Provenance(seed: 7).entries.map { ($0.name, $0.value) })
        #expect(found.keys.sorted() == ["command", "commit", "host", "kaon", "libraries", "processor", "seed"])
        #expect(found["seed"] == "7" && found["host"] == ProcessInfo.processInfo.hostName)
        #expect(try #require(found["command"]).contains("xctest"))
        let versions = try Regex(#"Open MPI [0-9.]+\S*, HDF5 [0-9.]+, OpenBLAS [0-9.]+"#)
        #expect(try versions.wholeMatch(in: #require(found["libraries"])) != nil)
        #expect(found.values.allSatisfy { !$0.isEmpty && !$0.contains("\n") })
        #expect(Provenance().seed == nil && !Provenance().entries.contains { $0.name == "seed" })
    }

    /// The header consists of comments: the configuration below it is the same.
    @Test func theHeaderIsNotPartOfTheConfiguration() throws {
        let text = "seed: 3\nrun:\n  name: x\n"
        let header = Provenance(seed: 3).header(date: Date(timeIntervalSince1970: 0))
        #expect(header.split(separator: "\n").allSatisfy { $0.hasPrefix("# ") })
        #expect(header.hasSuffix("# seed: 3\n# started: 1970-01-01T00:00:00Z\n"))
        let configuration = try Configuration(yaml: header + text, name: "config.yaml")
        #expect(try configuration.yaml == Configuration(yaml: text, name: "config.yaml").yaml)
    }

    @Test func attributesOfAFile() throws {
        try withScratchFolder { folder in
            let path = folder + "/x.h5"
            let file = try File(creating: path)
            #expect(try Provenance.lines(in: file.root) == [])
            let provenance = Provenance(seed: 9)
            try provenance.save(to: file.root)
            try file.close()
            let root = try File(opening: path)
            #expect(try root.root.stringAttribute("commit") == "unknown")
            #expect(try root.root.stringAttribute("seed") == "9")
            let lines = try Provenance.lines(in: root.root)
            #expect(lines.first == "commit: unknown" && lines.contains("host: \(provenance.host)") && lines.count == 5)
        }
    }

    @Test func metricsKeepIt() throws {
        let provenance = Provenance(seed: 2)
        let text = try JSONEncoder().encode(provenance)
        #expect(try JSONDecoder().decode(Provenance.self, from: text) == provenance)
    }
}

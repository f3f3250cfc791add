import Foundation
import Jets
import Objectives
import RunSupport
import Runs
import TestSupport
import Testing

/// The configurations in `configs`.
@Suite struct ConfigurationFilesTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// Their paths, relative to the root of the repository, without the descriptions of data sets in `configs/data`.
    static let files = ((try? FileManager.default.subpathsOfDirectory(atPath: root + "/configs")) ?? []).sorted()
        .filter { $0.hasSuffix(".yaml") && !$0.hasPrefix("data/") }.map { "configs/" + $0 }

    /// Decodes a file, with configurations of the repository in place of the checkpoints that it uses.
    static func options(_ file: String) throws -> RunOptions {
        let yaml = try String(contentsOfFile: "\(root)/\(file)", encoding: .utf8)
        var pretrained = RunOptions.Pretrained()
        let version = yaml.contains("\nobjective: mpm_v1") ? "v1" : "v2"
        if yaml.contains("\ntokenizer:") { pretrained.tokenizer = try options("configs/vqvae-\(version).yaml") }
        let isDownstream = yaml.contains("\nbackbone_mode: ") && !yaml.contains("\nbackbone_mode: scratch")
        if isDownstream { pretrained.backbone = try options("configs/mpmv1-regression-head.yaml") }
        return try runOptions(yaml, isDownstream ? ["backbone=x.h5"] : [], pretrained: pretrained)
    }

    @Test(arguments: files) func itDecodesAndTellsItsCommand(file: String) throws {
        let options = try Self.options(file)
        #expect(options.tokenizer == nil || options.objective.usedTokenizer != nil)
        // The run folder is named after the path of the file.
        let stem = file.dropFirst("configs/".count).dropLast(".yaml".count)
        #expect(options.run.directory == "runs/" + stem.replacing("small/", with: "small-"))
        let text = try String(contentsOfFile: "\(Self.root)/\(file)", encoding: .utf8)
        let comment = text.split(separator: "\n").prefix { $0.hasPrefix("#") }.joined()
        #expect(comment.contains(" \(file)"), "the command names another file")
    }

    /// A backbone that is forgotten is an error.
    @Test(arguments: files.filter { $0.contains("finetune") || $0.contains("probe") })
    func downstreamTasksNeedABackbone(file: String) throws {
        let yaml = try String(contentsOfFile: "\(Self.root)/\(file)", encoding: .utf8)
        let complaint = failure { _ = try runOptions(yaml) }
        #expect(complaint.contains("backbone: backbone_mode is ") && complaint.contains("but there is no backbone"))
    }

    @Test(arguments: files) func itsObjectiveIsCreated(file: String) throws {
        let options = try Self.options(file)
        // The classes of JetClass; weak supervision names its own.
        let names = ["QCD", "Hbb", "Hcc", "Hgg", "H4q", "Hqql", "Zqq", "Wqq", "Tbqq", "Tbl"]
        let objective = options.makeObjective(classes: JetClasses(names))
        #expect(objective.parameters.count > 1000 && !objective.terms.isEmpty)
    }

    /// The rows of Table 1.1 differ in inputs, targets and position alone, in the paper's size and in small.
    @Test(arguments: ["configs/", "configs/small/"]) func rowsOfTheTableDifferInNothingElse(folder: String) throws {
        let rows = Self.files.filter { $0.hasPrefix(folder + "mpmv1-") }
        #expect(rows.count == 8)
        let first = try Self.options(rows[0]).configuration
        for row in rows.dropFirst() {
            let changes = first.changes(to: try Self.options(row).configuration)
            let allowed = ["run.directory", "model.inputs", "model.position", "tasks", "tokenizer"]
            #expect(changes.allSatisfy { $0.isIn(allowed) }, "\(row): \(changes)")
        }
    }

    /// The names of what is recovered.
    private func tasks(of options: RunOptions) -> Set<Substring> {
        let settings = options.configuration.settings.filter { $0.isIn(["tasks"]) && $0.value != "null" }
        return Set(settings.map { $0.key.split(separator: ".")[1] })
    }

    @Test func whatPreTrainsHasASmallTwin() throws {
        #expect(Self.files.count { $0.hasPrefix("configs/ablation/") } == 10)
        for file in Self.files where !file.hasPrefix("configs/small/") && file != "configs/quickstart.yaml" {
            let twin = file.replacing("configs/", with: "configs/small/")
            try #require(Self.files.contains(twin), "\(twin)")
            let (large, small) = (try Self.options(file), try Self.options(twin))
            #expect(large.objective.name == small.objective.name)
            #expect(tasks(of: large) == tasks(of: small), "\(twin)")
        }
    }
}

import Configuration
import Foundation
import Objectives
import RunSupport
import Runs
import Testing

@Suite struct ConfigurationReferenceTests {
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static let reference = Result { try ConfigurationReference() }

    /// The committed page is that of the decoders, and every key has a description.
    @Test func thePageIsTrue() throws {
        let reference = try Self.reference.get()
        #expect(reference.undescribed == [])
        let committed = try String(contentsOf: root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        #expect(
            committed == reference.page, "generate it again: kaon reference > docs/configuration.md")
    }

    /// Keys of all modules, including those that depend on enumerations and optional sections.
    @Test(arguments: [
        "| `encoder.hidden` | integer, from 1 to 4096 | `512`; `vqvae`: `256` |",
        "| `encoder.width` | integer, from 1 to 65536; `mpm_v1`, `vqvae`: from 1 to 4096;",
        "| `50000`; with `schedule.name: warmup_cosine, warmup_linear`: `10000` | steps of the linear warm-up *(",
        "| `backbone_mode` | `fixed`, `fine_tuned`, `scratch` | required; with `backbone`: `fine_tuned` |",
        "| `bins.spacing` | `quantile`, `uniform` | `quantile` |",
        "| `train` | list of strings | required |",
        "| `radius` | number, greater than 0 | `0.2` |",
        "| `particle_id.class_weights` | list of numbers or `balanced`, each at least 0 | `null` |",
        "| `watchdog.silence` |", "| `signal_jets` |", "| `quantiser.codes` |", "| `inputs.clusters` |",
    ])
    func thePageHas(_ row: String) throws {
        #expect(try Self.reference.get().page.contains(row))
    }

    /// The conditions are those of the decoders: settings that take a key away, and sections that are refused.
    @Test(arguments: [
        ("fraction", "`mpm_v1`, `mpm_v2`, `set_flow` with `masking.strategy: random, pt_fraction, nearest`"),
        ("range", "`mpm_v1`, `mpm_v2`, `set_flow` with `masking.strategy: uniform`"),
        ("radius", "`mpm_v1`, `mpm_v2`, `set_flow` with `masking.strategy: radius`"),
        ("half_life", "with `schedule.name: warmup_exponential`"),
        ("final_factor", "with `schedule.name: warmup_exponential, warmup_cosine, warmup_linear`"),
        ("total_steps", "with `schedule.name: warmup_cosine, warmup_linear`"),
        ("epsilon", "with `optimizer.name: adamw, muon`"), ("quantiles", "with `preprocessing.name: quantile`"),
        ("encoder.pairs", "`mpm_v2`, `set_flow`; downstream with `model.encoder.block: transformer`"),
        ("delta", "`regression` with `regression.loss: huber`"),
    ])
    func conditionsAreTrue(key: String, condition: String) throws {
        let row = try Self.reference.get().page.split(separator: "\n").first { $0.hasPrefix("| `\(key)` |") }
        #expect(row?.hasSuffix(" *(\(condition))* |") == true, "\(row ?? "no row")")
    }

    /// Every key of the files in `configs` is on the page, except those that describe data sets.
    @Test func theConfigurationsHaveNoOtherKeys() throws {
        let page = try Self.reference.get().page
        let folder = root.appendingPathComponent("configs").path
        for file in try FileManager.default.subpathsOfDirectory(atPath: folder)
        where file.hasSuffix(".yaml") && !file.hasPrefix("data/") {
            let text = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
            let keys = text.split(separator: "\n").compactMap { $0.firstMatch(of: #/^ +([a-z_]+): [^{]/#)?.1 }
            #expect(!keys.isEmpty)
            for key in keys { #expect(page.contains("\(key)` |"), "\(key) of \(file)") }
        }
    }

    /// A template decodes to the defaults.
    @Test(arguments: ObjectiveOptions.Name.allCases) func aTemplateIsTheDefaults(_ objective: ObjectiveOptions.Name)
        throws
    {
        let text = try configurationTemplate(path: "x.yaml", for: objective)
        let tasks = objective == .mpmV1 || objective == .mpmV2 ? "tasks: {particle_id: {}, kmeans: {}}" : ""
        let backbone = objective.isDownstream ? "{backbone: CHECKPOINT, backbone_mode: fine_tuned}" : "{}"
        let bare = "<<: \(backbone)\nobjective: \(objective.rawValue)\ndata: {train: [train.h5]}\n\(tasks)"
        #expect(try runOptions(text).resolved == runOptions(bare).resolved)
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 110 })
        #expect(text.contains("  batch_size: 1000                      # jets per step over all ranks\n"))
        #expect(!text.contains("wait_for_debugger") && !text.contains("`"))
        #expect(text.contains("  directory: runs/{name} "))
        // Keys that a downstream task takes from its backbone are left out.
        #expect(text.contains("\nmodel:") != objective.isDownstream)
    }
}

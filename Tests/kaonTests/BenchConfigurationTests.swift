import Foundation
import Testing

/// `kaon bench` runs every configuration of a small model, or says in one sentence which checkpoint it lacks.
@Suite(.serialized) struct BenchConfigurationTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private static let files =
        ((try? FileManager.default.subpathsOfDirectory(atPath: root + "/configs/small")) ?? []).sorted()
        .filter { $0.hasSuffix(".yaml") }

    /// A dry run of any configuration in a place without its data names what is missing in one sentence.
    @Test(arguments: ["quickstart", "finetune-btag", "mpmv2-vqvae", "linear-probe", "small/set-flow"])
    func aDryRunNamesWhatIsMissing(name: String) throws {
        let file = "\(Self.root)/configs/\(name).yaml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let outcome = try kaon([
            text.contains("kaon finetune") ? "finetune" : "pretrain", file, "--dry-run", "data.train=[/none/train.h5]",
            "data.validation=[/none/val.h5]", "parallel.threads=1",
        ])
        #expect(outcome.code == 1 && outcome.complaints.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("/none/train.h5") || outcome.errors.contains("there is no "))
    }

    @Test(arguments: files) func itRunsOrNamesWhatItLacks(file: String) throws {
        let outcome = try kaon([
            "bench", "\(Self.root)/configs/small/\(file)", "--seconds", "0.01", "training.batch_size=4",
            "training.micro_batch_size=4", "parallel.threads=1",
        ])
        if outcome.code == 0 {
            #expect(outcome.output.contains("\njets_per_second "))
        } else {
            #expect(outcome.code == 1 && outcome.complaints.count == 1, "\(outcome.errors)")
            #expect(
                outcome.errors.contains("there is no checkpoint") || outcome.errors.contains("there is no backbone"))
        }
    }
}

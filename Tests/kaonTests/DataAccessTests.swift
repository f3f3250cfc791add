import Foundation
import HDF5
import Testing

/// Files that MPI-IO cannot read, or that lack data, give the same result on any number of ranks.
@Suite(.serialized) struct DataAccessTests {
    private static let canUnshare = geteuid() == 0 && access("/usr/bin/unshare", X_OK) == 0

    /// Trains on a file; returns the outcome and the last line about the validation.
    private func train(
        on path: String, ranks: Int?, _ overrides: [String] = [], wrapper: [String] = []
    ) throws -> (outcome: KaonProcess.Outcome, validation: String) {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let arguments = run.arguments(
                ["data.train=[\(path)]", "data.validation=[\(path)]", "training.steps=4"] + overrides)
            let mpirun = ranks.map { ["mpirun", "--oversubscribe", "-n", "\($0)"] } ?? []
            let outcome = try KaonProcess(command: wrapper + mpirun + [KaonProcess.program] + arguments).outcome()
            let line = outcome.output.split(separator: "\n").last { $0.contains(": validation loss") }
            return (outcome, line.map(String.init) ?? "none")
        }
    }

    @Test func virtualDatasetsAreRead() throws {
        let whole = try train(on: oddFile("whole"), ranks: nil)
        #expect(whole.validation.contains("validation loss"), "\(whole.outcome.errors)")
        #expect(!whole.outcome.output.contains("MPI-IO"))
        for ranks in [nil, 2, 3] {
            let virtual = try train(on: oddFile("virtual_nested"), ranks: ranks)
            #expect(virtual.outcome.code == 0 && virtual.outcome.complaints.isEmpty, "\(virtual.outcome.errors)")
            #expect(virtual.validation == whole.validation)
            let remark =
                "data.train: \(oddFile("virtual_nested")) is read without MPI-IO, which cannot read virtual datasets; "
                + "the jets are the same"
            #expect(virtual.outcome.output.contains(remark) == (ranks != nil))
        }
    }

    /// Targets may be virtual as well, of jets and of constituents, in both layouts.
    @Test(arguments: [
        ("virtual_targets", "regression", ["regression.target=truth"]), ("virtual_targets", "vertexing", []),
        ("virtual_targets_packed", "regression", ["regression.target=truth"]),
    ])
    func virtualTargetsAreRead(name: String, objective: String, overrides: [String]) throws {
        var validations: Set<String> = []
        for ranks in [nil, 2] {
            try withScratchFolder { folder in
                let data = ["data.train=[\(oddFile(name))]", "data.validation=[\(oddFile(name))]"]
                let arguments = try TinyRun(in: folder).arguments(objective, data + overrides)
                let outcome = try kaon(arguments, ranks: ranks)
                #expect(outcome.code == 0, "\(outcome.errors)")
                #expect(outcome.output.contains("\(oddFile(name)) is read without MPI-IO") == (ranks != nil))
                let line = outcome.output.split(separator: "\n").last { $0.contains(": validation loss") }
                validations.insert(line.map(String.init) ?? "none")
            }
        }
        #expect(validations.count == 1 && !validations.contains("none"), "\(validations)")
    }

    @Test func longNamesAreRead() throws {
        try withScratchFolder { folder in
            // The longest name of a file.
            let path = "\(folder)/\(String(repeating: "n", count: 252)).h5"
            try FileManager.default.copyItem(atPath: oddFile("whole"), toPath: path)
            let (alone, together) = (try train(on: path, ranks: nil), try train(on: path, ranks: 2))
            #expect(together.outcome.code == 0 && together.outcome.complaints.isEmpty, "\(together.outcome.errors)")
            #expect(!together.outcome.output.contains("without MPI-IO"))
            #expect(together.validation == alone.validation && alone.outcome.code == 0)
        }
    }

    @Test(.enabled(if: canUnshare, "needs root and unshare")) func sharedMemoryMayBeReadOnly() throws {
        let script = "mount -t tmpfs -o ro none /dev/shm && exec \"$@\""
        let found = try train(
            on: oddFile("whole"), ranks: 2, wrapper: ["unshare", "--mount", "sh", "-c", script, "sh"])
        #expect(found.outcome.code == 0 && found.outcome.complaints.isEmpty, "\(found.outcome.errors)")
        #expect(found.validation.contains("validation loss"))
        #expect(!found.outcome.output.contains("without MPI-IO"))
    }

    @Test(arguments: [nil, 2]) func missingDataAreRefused(ranks: Int?) throws {
        let path = oddFile("virtual_no_source")
        let outcome = try train(on: path, ranks: ranks).outcome
        #expect(outcome.code == 1)
        #expect(
            outcome.complaints == [
                "Error: \(path): /csts lacks 10 of 20 rows (10..<20): the source gone.h5 cannot be used (no such file "
                    + "or directory); restore what is missing, or write the file again"
            ])
    }

    @Test(arguments: [nil, 2]) func emptyJetsNeedAPermission(ranks: Int?) throws {
        try withScratchFolder { folder in
            let path = folder + "/a.h5"
            var table = try JetTable()
            for slot in 0..<128 { table.mask[3 * 128 + slot] = 0 }
            try table.write(to: path)
            let refused = try train(on: path, ranks: ranks).outcome
            #expect(refused.code == 1)
            let sentence =
                "\(path): 1 of 40 jets have no constituents (row 3): write the file again without them, or set "
                + "data.allow_empty_jets to accept them"
            #expect(refused.complaints.count == 1 && refused.complaints.first?.hasSuffix(sentence) == true)
            let accepted = try train(on: path, ranks: ranks, ["data.allow_empty_jets=true"]).outcome
            #expect(accepted.code == 0, "\(accepted.errors)")

            let packed = try kaon(["pack", path, "--output", folder + "/b.h5"])
            #expect(packed.code == 1 && packed.complaints.first?.contains("1 of 40 jets") == true)
            #expect(try kaon(["pack", path, "--output", folder + "/b.h5", "--allow-empty-jets"]).code == 0)
            let inspected = try kaon(["inspect", folder + "/b.h5"]).output
            #expect(inspected.contains("Note: 1 of 40 jets have no constituents; training refuses them unless"))
        }
    }

    @Test func warningsAtTheStart() throws {
        try withScratchFolder { folder in
            let path = folder + "/a.h5"
            var table = try JetTable()
            for slot in 0..<40 * 128 {
                table.identities[slot] = 3
                table.csts[slot * 7] *= 1000
            }
            for value in 0..<7 { table.csts.swapAt(value, 7 + value) }
            try table.write(to: path)
            let expected = [
                "the constituents of 1 of 40 jets are not stored by decreasing pT; they are sorted when they are read",
                "feature 'pt' exceeds 200 GeV for 100 % of the constituents: is it in MeV?",
                "all constituents have the identity 3 (positive hadron): fill /csts_id, or train without it "
                    + "(model.identity=false)",
            ]
            let outcome = try train(on: path, ranks: 2).outcome
            #expect(outcome.code == 0)
            let inspected = try kaon(["inspect", path]).output
            for sentence in expected {
                #expect((outcome.output + outcome.errors).contains("warning: data.train: \(sentence)"))
                #expect(inspected.contains("Note: \(sentence)\(sentence.hasSuffix("?") ? "" : ".")\n"))
            }
            #expect(try kaon(["inspect", sample("val")]).output.contains("stored by decreasing pT.\n"))
        }
    }

    /// A fine-tuning takes the preprocessing of its backbone, and reads a sample for the warnings.
    @Test func warningsOfFineTunings() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder + "/pretrain")
            #expect(try kaon(run.arguments(["training.steps=2"])).code == 0)
            let path = folder + "/mev.h5"
            var table = try JetTable()
            for slot in 0..<40 * 128 { table.csts[slot * 7] *= 1000 }
            try table.write(to: path)
            let outcome = try kaon([
                "finetune", run.folder + "/tiny.yaml", "objective=classification", "~tasks", "~model",
                "backbone=\(run.latest)", "backbone_mode=fixed", "run.directory=\(folder)/tuned", "training.steps=2",
                "data.train=[\(path)]",
            ])
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect((outcome.output + outcome.errors).contains("data.train: feature 'pt' exceeds 200 GeV for 100 %"))
        }
    }

    @Test func userBlocksAndHalfPrecision() throws {
        for name in ["user_block", "half"] {
            let outcome = try kaon(["inspect", oddFile(name)])
            #expect(outcome.code == 0 && outcome.output.contains("jets in the padded layout, 20 of up to 8"))
            #expect(!outcome.output.contains("not usable"))
            #expect(try train(on: oddFile(name), ranks: 2).outcome.code == 0)
        }
    }

    @Test func packingNamesWhatItLeavesOut() throws {
        try withScratchFolder { folder in
            let source = folder + "/a.h5"
            try copySample(to: source) { root in
                _ = try root.createGroup("truth")
                try root.dataset("csts").setAttribute("units", to: "GeV")
                try root.dataset("mask").setAttribute("meaning", to: "used")
            }
            let outcome = try kaon(["pack", source, "--output", folder + "/b.h5"])
            #expect(outcome.code == 0)
            #expect(
                (outcome.output + outcome.errors).contains(
                    "warning: not copied: the group /truth of \(source), the attribute 'meaning' of /mask of "
                        + "\(source)\n"
                ))
            let units = try File(opening: folder + "/b.h5").root.dataset("csts").stringAttribute("units")
            #expect(units == "GeV")
            let part = try kaon(["pack", source, "--output", folder + "/c.h5", "--jets", "100"])
            #expect(
                (part.output + part.errors).contains(
                    "not copied: the group /truth of \(source), the attribute 'units' of /csts of \(source), "
                        + "the attribute 'meaning' of /mask of \(source)\n"))
        }
    }
}

import Foundation
import HDF5
import Testing

/// Classes of training, validation and test files that differ, and files without names of their classes.
@Suite(.serialized) struct ClassTests {
    /// Jets of the first ten labels of a sample, with other names; nil for no names.
    private func write(_ path: String, names: [String]?, _ change: (inout JetTable) -> Void = { _ in }) throws {
        var table = try JetTable()
        change(&table)
        table.names = names ?? []
        try table.write(to: path, hasNames: names != nil)
    }

    private static let names = ["QCD", "Tbl", "Tbqq", "Wqq", "Zqq", "Hbb", "Hcc", "Hgg", "H4q", "Hqql"]

    /// Two classes, by the parity of the label.
    private func writeTwoClasses(_ path: String, _ names: [String] = ["QCD", "Tbl"]) throws {
        try write(path, names: names) { $0.labels = $0.labels.map { $0 % 2 } }
    }

    private static let tasks: [(objective: String, overrides: [String])] = [
        ("classification", []), ("cwola", ["cwola={background: [QCD], signal: [Tbl]}"]),
        ("mpm_v2", ["tasks.probe={}"]),
    ]

    /// Validation and test jets of classes that are not trained are left out with their number.
    @Test(arguments: tasks, [nil, 2]) func otherClassesAreLeftOut(
        task: (objective: String, overrides: [String]), ranks: Int?
    ) throws {
        try withScratchFolder { folder in
            let train = folder + "/two.h5"
            try writeTwoClasses(train)
            let arguments = try TinyRun(in: folder).arguments(
                task.objective, ["data.train=[\(train)]", "data.test=[\(sample("test"))]"] + task.overrides)
            let outcome = try kaon(arguments, ranks: ranks)
            #expect(outcome.code == 0, "\(outcome.errors)")
            for key in ["validation", "test"] where key == "validation" || task.objective != "mpm_v2" {
                let pattern = try Regex("data.\(key): (\\d+) jets of other classes \\(Tbqq, Wqq, .*\\) are left out\n")
                let match = try #require(outcome.output.firstMatch(of: pattern), "\(outcome.output)")
                #expect(match.output[1].substring.flatMap { Int($0) } == 800)
                // The evaluation at the end does not repeat it.
                #expect(outcome.output.matches(of: pattern).count == 1, "\(outcome.output)")
            }
        }
    }

    /// Jets that count twice are seldom meant.
    @Test func repeatedFilesAreNamed() throws {
        try withScratchFolder { folder in
            let (train, other) = (folder + "/train.h5", folder + "/other.h5")
            for path in [train, other] { try write(path, names: Self.names) }
            func said(_ files: [String]) throws -> String {
                try kaon(
                    TinyRun(in: folder).arguments("mpm_v2", ["data.train=[\(files.joined(separator: ", "))]"])
                ).output
            }
            let warning = "warning: data.train names \(train) more than once: its jets are read as often\n"
            #expect(try said([train, other, train]).contains(warning))
            #expect(try !said([train, other]).contains("more than once"))
            let link = folder + "/link.h5"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: train)
            for name in [link, folder + "/./train.h5"] {
                #expect(
                    try said([train, name]).contains(
                        "warning: data.train names \(name) more than once, also as \(train): its jets are read "
                            + "as often\n"
                    ))
            }
            let shared = try kaon(
                TinyRun(in: folder).arguments("mpm_v2", ["data.train=[\(train)]", "data.validation=[\(link)]"])
            ).output
            #expect(
                shared.contains(
                    "warning: data.validation and data.train both have \(link): its results are not those of new jets"),
                "\(shared)")
        }
    }

    /// A class that the files to be evaluated lack is an error at the start, also of a dry run.
    @Test(arguments: ["validation", "test"]) func missingClassesAreRefused(key: String) throws {
        try withScratchFolder { folder in
            let other = folder + "/two.h5"
            try writeTwoClasses(other, ["Tbl", "QCD"])
            let run = try TinyRun(in: folder)
            for (extra, ranks) in [([], nil), ([], 2), (["--dry-run"], nil)] {
                let outcome = try kaon(
                    run.arguments("classification", ["data.\(key)=[\(other)]"] + extra), ranks: ranks)
                #expect(outcome.code == 1)
                #expect(
                    outcome.complaints == [
                        "Error: data.\(key): there is no class 'Tbqq' in the files; they have Tbl, QCD; the model "
                            + "has the classes " + Self.names.joined(separator: ", ")
                    ])
            }
            #expect(!FileManager.default.fileExists(atPath: run.directory))
        }
    }

    @Test func aWrongLabelOfTheTestFilesIsFoundAtTheStart() throws {
        try withScratchFolder { folder in
            let other = folder + "/labels.h5"
            try write(other, names: Self.names) { $0.labels[17] = 12 }
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments("classification", ["data.test=[\(other)]"]))
            #expect(outcome.code == 1 && outcome.errors.contains("\(other): /labels, row 17 is 12"))
            #expect(!FileManager.default.fileExists(atPath: run.directory))
        }
    }

    /// Files as the authors' code writes them: one class each, no names, no chunks, double precision.
    @Test(arguments: [
        ("classification", []), ("classification", ["data.jets=20"]), ("classification", ["data.classes=[Hbb,QCD]"]),
        ("cwola", ["cwola={signal: [Hbb], signal_jets: 2}"]), ("mpm_v2", ["data.classes=[Hbb]", "data.jets=3"]),
    ])
    func theAuthorsFilesAreUsedAsTheyAre(objective: String, overrides: [String]) throws {
        try withScratchFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/files", withIntermediateDirectories: true)
            for label in Self.names.indices {
                try write("\(folder)/files/\(label).h5", names: nil) {
                    $0.cstsType = .float64
                    $0.labels = $0.labels.map { _ in label }
                }
            }
            let run = try TinyRun(in: folder)
            let files = ["train", "validation", "test"].map { "data.\($0)=[\(folder)/files]" }
            let refused = try kaon(run.arguments(objective, files + overrides))
            #expect(refused.code == 1 && refused.complaints.count == 1, "\(refused.errors)")
            #expect(refused.errors.contains("data.class_names"))
            let named = files + overrides + ["data.class_names=[\(Self.names.joined(separator: ","))]"]
            let outcome = try kaon(run.arguments(objective, named), ranks: 2)
            #expect(outcome.code == 0, "\(outcome.errors)")
            if objective != "mpm_v2" {
                // The first jets are of one class.
                #expect(outcome.output.contains("the first 40 jets of data.validation are not of all classes: 40 are"))
            }
        }
    }

    @Test func namesInTheFilesAreKept() throws {
        try withScratchFolder { folder in
            let unnamed = folder + "/unnamed.h5"
            try write(unnamed, names: nil)
            let run = try TinyRun(in: folder)
            let names = "data.class_names=[\(Self.names.joined(separator: ","))]"
            let mixed = "data.train=[\(sample("val")),\(unnamed)]"
            let refused = try kaon(run.arguments("classification", [mixed]))
            #expect(
                refused.complaints == [
                    "Error: \(sample("val")) names its classes (\(Self.names.joined(separator: ", "))), but \(unnamed) "
                        + "does not: list the names of its labels in data.class_names"
                ])
            let outcome = try kaon(run.arguments("classification", [mixed, names]))
            #expect(outcome.code == 0 && !outcome.output.contains("no effect"), "\(outcome.errors)")
            let superfluous = try kaon(run.arguments("classification", [names, "--dry-run"]))
            #expect(superfluous.output.contains("data.class_names has no effect: all files name their classes\n"))
            let short = try kaon(
                TinyRun(in: folder + "/other").arguments(
                    "mpm_v2", ["data.train=[\(unnamed)]", "data.class_names=[a,b]"]))
            #expect(
                short.errors.contains(
                    "but data.class_names names 2 classes (a, b): correct the label or data.class_names"))
        }
    }

    @Test func classesOfWeakSupervisionAreNamedByTheirKey() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            for (cwola, message) in [
                (
                    "{signal: [tbqq]}",
                    "Error: cwola.signal: there is no class 'tbqq' in the files; they have "
                        + Self.names.joined(separator: ", ") + "; did you mean 'Tbqq'?"
                ),
                (
                    "{background: [QCD, x]}",
                    "Error: cwola.background: there is no class 'x' in the files; they have "
                        + Self.names.joined(separator: ", ")
                ),
                (
                    "{signal_jets: 2000}",
                    "Error: cwola.signal_jets requires 2000 jets of class 'Tbqq', but the files have "
                        + "100: lower cwola.signal_jets, or leave the class out of cwola.signal"
                ),
            ] {
                let outcome = try kaon(run.arguments("cwola", ["cwola=\(cwola)"]))
                #expect(outcome.code == 1 && outcome.complaints == [message])
            }
        }
    }

    @Test func oneClassIsNoClassification() throws {
        try withScratchFolder { folder in
            let outcome = try kaon(TinyRun(in: folder).arguments("classification", ["data.classes=[Hbb]"]), ranks: 2)
            #expect(outcome.code == 1)
            #expect(
                outcome.complaints == [
                    "Error: classification needs jets of at least two classes, but data.classes names only Hbb"
                ])
        }
    }

    /// Classes that the training files name, but have no jets of; whatever selects the jets.
    @Test(
        arguments: [
            ("classification", []), ("classification", ["data.classes=[Hbb,QCD]"]),
            ("cwola", ["cwola={background: [QCD], signal: [Hbb]}"]),
        ], [nil, 2])
    func jetsOfOneClassAreNoClassification(task: (objective: String, overrides: [String]), ranks: Int?) throws {
        try withScratchFolder { folder in
            let path = folder + "/one.h5"
            try write(path, names: Self.names) { $0.labels = $0.labels.map { _ in 0 } }
            let run = try TinyRun(in: folder)
            let outcome = try kaon(
                run.arguments(task.objective, ["data.train=[\(path)]"] + task.overrides), ranks: ranks)
            #expect(outcome.code == 1)
            #expect(
                outcome.complaints == [
                    "Error: \(task.objective) needs jets of at least two classes, but data.train has only jets of QCD"
                ])
            #expect(!FileManager.default.fileExists(atPath: run.directory))
        }
    }

    /// A class without jets is a warning where enough others are left, and weak supervision may have no signal.
    @Test func classesWithoutJetsAreNamed() throws {
        try withScratchFolder { folder in
            let path = folder + "/two.h5"
            try write(path, names: Self.names) { $0.labels = $0.labels.map { $0 % 2 } }
            let run = try TinyRun(in: folder)
            func output(_ objective: String, _ overrides: [String]) throws -> String {
                let outcome = try kaon(run.arguments(objective, overrides + ["--dry-run"]))
                #expect(outcome.code == 0, "\(outcome.errors)")
                return outcome.output
            }
            let classes = "data.classes=[QCD,Tbl,Hbb]"
            #expect(
                try output("classification", ["data.train=[\(path)]", classes])
                    .contains("warning: data.train: there are no jets of the class Hbb\n"))
            #expect(
                try output("classification", ["data.validation=[\(path)]", classes])
                    .contains("warning: data.validation: there are no jets of the class Hbb\n"))
            let cwola = "cwola={background: [QCD], signal: [Hbb], signal_jets: 0}"
            #expect(try !output("cwola", [cwola]).contains("data.train: there are no jets"))
        }
    }

    /// Origins of tracks that are none of the four are counted.
    @Test func unknownOriginsAreCounted() throws {
        try withScratchFolder { folder in
            let path = folder + "/tracks.h5"
            try FileManager.default.copyItem(atPath: sample("btag"), toPath: path)
            let file = try File(opening: path, .readWrite)
            try [99, -1, 7].withUnsafeBufferPointer { try file.root.dataset("track_type").write(rows: 4..<7, from: $0) }
            try file.close()
            let outcome = try kaon(
                TinyRun(in: folder).arguments("track_origin", ["data.train=[\(path)]", "data.validation=[\(path)]"]))
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("track_type has 3 values other than 0 to 3; they count as 'other'\n"))
        }
    }
}

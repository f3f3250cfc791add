import Foundation
import Testing

/// Faulty data ends the job at once, on one rank and on two, with a sentence that names the
/// object, and writes nothing.
@Suite(.serialized) struct DataErrorTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        /// The message after "Error: "; FILE is replaced by the path.
        let message: String
        /// True if only one of two ranks reads the fault.
        var isLocal = false
        let make: @Sendable (String) throws -> Void

        var testDescription: String { name }
    }

    private static func table(_ change: @Sendable @escaping (inout JetTable) -> Void)
        -> @Sendable (String) throws -> Void
    {
        { path in
            var table = try JetTable()
            change(&table)
            try table.write(to: path)
        }
    }

    static let cases = [
        Case(name: "missing file", message: "HDF5 open FILE: no such file or directory") { _ in },
        Case(name: "not HDF5", message: "HDF5 open FILE: not an HDF5 file") {
            try "not data".write(toFile: $0, atomically: true, encoding: .utf8)
        },
        Case(
            name: "an empty folder",
            message: "the folder FILE has no file that ends in .h5 or .hdf5; name another folder"
        ) {
            try FileManager.default.createDirectory(atPath: $0, withIntermediateDirectories: true)
        },
        Case(name: "truncated", message: "HDF5 open FILE: truncated file") {
            try Data(contentsOf: URL(fileURLWithPath: sample("val"))).prefix(300_000)
                .write(to: URL(fileURLWithPath: $0))
        },
        Case(
            name: "missing dataset",
            message:
                "dataset /mask is missing in FILE; a file of jets has /csts, /csts_id, /mask and /labels: name "
                + "another file, or convert this one", make: table { $0.missing = "mask" }),
        Case(
            name: "no labels",
            message:
                "dataset /labels is missing in FILE; a file of jets has /csts, /csts_id, /mask and /labels: name "
                + "another file, or convert this one; for a pre-training without classes, write the label 0 for all "
                + "jets", make: table { $0.missing = "labels" }),
        Case(
            name: "wrong shape",
            message: "/csts in FILE has the shape [40, 149, 6], not jets × constituents × the 7 "
                + "features pt, deta, dphi, d0, d0err, dz, dzerr: write the file again",
            make: table {
                $0.features = 6
                $0.csts = Array($0.csts.prefix(40 * 149 * 6))
                $0.constituents = 149
                $0.identities += Array(repeating: 0, count: 40 * 21)
                $0.mask += Array(repeating: 0, count: 40 * 21)
            }),
        Case(
            name: "wrong type",
            message: "/csts in FILE is of type int32, not of floating-point numbers: write the file again",
            make: table { $0.cstsType = .int32 }),
        Case(
            name: "unequal lengths",
            message: "/labels in FILE has the shape [39], not [40] as in /csts: write the file again",
            make: table { $0.labels.removeLast() }),
        Case(
            name: "no jets", message: "FILE holds no jets; leave it out",
            make: table {
                ($0.count, $0.csts, $0.identities, $0.mask, $0.labels) = (0, [], [], [], [])
            }),
        Case(
            name: "label out of range",
            message:
                "FILE: /labels, row 990 is 10, but the file names 10 classes (QCD, Tbl, Tbqq, Wqq, Zqq, Hbb, Hcc, "
                + "Hgg, H4q, Hqql): correct the label or the attribute 'names' of /labels", isLocal: true
        ) { path in
            try copySample(to: path) { root in
                try [10].withUnsafeBufferPointer {
                    try root.dataset("labels").write(rows: 990..<991, from: $0)
                }
            }
        },
        Case(
            name: "unknown identity",
            message:
                "FILE: /csts_id, row 990, constituent 0 is 8; identities are 0 (photon) to 7 (antimuon): write the "
                + "file again with those, or name all of them in data.identities, or mask the constituent",
            isLocal: true
        ) { path in
            try copySample(to: path) { root in
                try [8 as Int32].withUnsafeBufferPointer {
                    try root.dataset("csts_id").write(start: [990, 0], count: [1, 1], from: $0)
                }
            }
        },
        Case(
            name: "NaN",
            message: "FILE: /csts, row 990, constituent 0: feature 'deta' is nan; write the file again "
                + "without it, or mask the constituent", isLocal: true
        ) { path in try copySample(to: path) { try $0.set(feature: 1, ofJet: 990, to: .nan) } },
        Case(
            name: "infinity",
            message: "FILE: /csts, row 10, constituent 0: feature 'pt' is inf; write the file again "
                + "without it, or mask the constituent", isLocal: true
        ) { path in try copySample(to: path) { try $0.set(feature: 0, ofJet: 10, to: .infinity) } },
    ]

    @Test(arguments: cases, [nil, 2])
    func brokenTrainingDataIsNamed(_ broken: Case, ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let path = folder + "/broken.h5"
            try broken.make(path)
            let outcome = try kaon(run.arguments(["data.train=[\(path)]"]), ranks: ranks)
            #expect(outcome.code == 1)
            #expect(outcome.complaints.count == 1, "\(outcome.errors)")
            let expected = broken.message.replacing("FILE", with: path)
            let complaint = outcome.complaints.first ?? ""
            if broken.isLocal, ranks != nil {
                #expect(complaint.wholeMatch(of: /Error: rank [01]: (.*)/).map { String($0.1) } == expected)
            } else if broken.name == "truncated" {
                #expect(complaint.hasPrefix("Error: " + expected))
            } else {
                #expect(complaint == "Error: " + expected)
            }
            // Values are met when the run has begun.
            #expect(FileManager.default.fileExists(atPath: run.directory) == broken.isLocal)
            #expect(!FileManager.default.fileExists(atPath: run.directory + "/fitted.h5"))
            #expect(outcome.seconds < 60)
        }
    }

    /// One of the ranks meets the value after many steps of training, and none waits for it.
    @Test(arguments: [nil, 2, 3])
    func aValueThatOneRankMeetsEndsAll(ranks: Int?) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let path = folder + "/broken.h5"
            try copySample(to: path) { try $0.set(feature: 3, ofJet: 990, to: -.infinity) }
            // The preprocessing is fitted to one of the two blocks, and the broken one is read in training.
            let overrides = [
                "data.train=[\(path)]", "~tasks.kmeans", "preprocessing.jets=1", "training.steps=60",
                "seed=5",
            ]
            let outcome = try kaon(run.arguments(overrides), ranks: ranks)
            #expect(outcome.code == 1)
            let complaint = outcome.complaints.first ?? ""
            #expect(
                complaint.wholeMatch(of: /Error: (?:rank \d, )?step \d+ of epoch 0: (.*)/).map { String($0.1) }
                    == "\(path): /csts, row 990, constituent 0: feature 'd0' is -inf; write the file again without it, "
                    + "or mask the constituent", "\(outcome.errors)")
            #expect(outcome.complaints.count == 1, "\(outcome.errors)")
            let log = try String(contentsOfFile: run.directory + "/kaon.log", encoding: .utf8)
            #expect(log.contains(ranks == nil ? " error: step " : " error: rank "))
            #expect(outcome.seconds < 60)
        }
    }

    @Test func brokenValidationDataIsNamedBeforeTheRunBegins() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon(run.arguments(["data.validation=[\(folder)/no.h5]"]))
            #expect(outcome.code == 1)
            #expect(outcome.complaints == ["Error: HDF5 open \(folder)/no.h5: no such file or directory"])
            #expect(!FileManager.default.fileExists(atPath: run.directory))
        }
    }

    /// Network file systems may have no locks even if the user requests them.
    @Test func aLockThatIsNotToBeHad() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let path = folder + "/locked.h5"
            try copySample(to: path)
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            defer { close(descriptor) }
            try #require(flock(descriptor, LOCK_EX) == 0)
            let arguments = run.arguments(["data.train=[\(path)]", "training.steps=1"])
            let refused = try kaon(arguments, wrapper: ["env", "HDF5_USE_FILE_LOCKING=TRUE"])
            #expect(refused.code == 1)
            #expect(
                refused.complaints == [
                    "Error: HDF5 open \(path): unable to lock the file; set HDF5_USE_FILE_LOCKING=FALSE if its "
                        + "file system does not support locks"
                ])
            #expect(try kaon(arguments, wrapper: ["env", "HDF5_USE_FILE_LOCKING=FALSE"]).code == 0)
        }
    }

    @Test(arguments: [
        ("Tbl", "the classes 1 and 2 are both named 'Tbl'"),
        ("", "the name of class 2 is empty (QCD, Tbl, , Wqq, Zqq, Hbb, Hcc, Hgg, H4q, Hqql)"),
    ])
    func namesIdentifyClasses(name: String, message: String) throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let path = folder + "/names.h5"
            var table = try JetTable()
            table.names[2] = name
            try table.write(to: path)
            let refused = try kaon(run.arguments(["data.train=[\(path)]"]))
            #expect(refused.code == 1)
            #expect(
                refused.complaints == ["Error: \(path): \(message): correct the attribute 'names' of /labels"])
        }
    }

    @Test func otherClassesAreTold() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let path = folder + "/other.h5"
            var table = try JetTable()
            table.names = Array("abcdefghij").map(String.init)
            try table.write(to: path)
            let warned = try kaon(run.arguments(["data.validation=[\(path)]", "training.steps=1"]))
            #expect(warned.code == 0)
            #expect(
                warned.output.contains(
                    "warning: the validation files have the classes a, b, c, d, e, f, g, h, i, j, the training files "
                        + "QCD, Tbl, Tbqq, Wqq, Zqq, Hbb, Hcc, Hgg, H4q, Hqql\n"))
            let refused = try kaon(run.arguments(["data.train=[\(sample("val")),\(path)]"]))
            #expect(refused.code == 1)
            #expect(refused.complaints.count == 1)
            #expect(refused.complaints.first?.hasPrefix("Error: the classes in \(path) (a, b, c, ") == true)
        }
    }
}

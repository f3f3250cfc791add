import Foundation
import HDF5
import Testing

@Suite(.serialized) struct PackTests {
    /// A padded file, packed, trains the same model.
    @Test func aPackedFileTrainsTheSame() throws {
        try withScratchFolder { folder in
            let packed = folder + "/packed.h5"
            let outcome = try kaon(["pack", sample("val"), "--output", packed])
            #expect(outcome.code == 0 && outcome.errors == "", "\(outcome.errors)")
            #expect(outcome.output.hasPrefix("\(packed): 1000 jets with "))

            var contents: [[String: Data]] = []
            for (name, data) in [("a", sample("val")), ("b", packed)] {
                try FileManager.default.createDirectory(
                    atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
                let run = try TinyRun(in: "\(folder)/\(name)")
                // Blocks of the two are not alike, the jets in the order of the file are.
                let overrides = ["data.train=[\(data)]", "data.shuffle=false", "preprocessing.jets=1000"]
                #expect(try kaon(run.arguments(overrides)).code == 0)
                contents.append(try weights(run.latest))
            }
            #expect(contents[0] == contents[1])

            let description = try kaon(["inspect", packed]).output
            #expect(description.contains(": jets in the packed layout, 1000 with "))
            #expect(description.contains("\noffsets "))
        }
    }

    private func weights(_ checkpoint: String) throws -> [String: Data] {
        let model = try File(opening: checkpoint).root.group("model")
        var result: [String: Data] = [:]
        for child in try model.children {
            let values = try model.read(child.name, as: Float.self)
            result[child.name] = values.withUnsafeBytes { Data($0) }
        }
        return result
    }

    /// All constituents are kept, unless a maximum is given.
    @Test func constituentsAreKept() throws {
        try withScratchFolder { folder in
            let (source, output) = (folder + "/a.h5", folder + "/b.h5")
            // The constituents of five jets are those of one.
            var table = try JetTable()
            (table.count, table.constituents, table.labels) = (8, 640, Array(table.labels.prefix(8)))
            try table.write(to: source)
            let counts = (0..<8).map { jet in table.mask[jet * 640..<(jet + 1) * 640].count { $0 != 0 } }
            #expect(counts.max()! > 128)
            for maximum in [nil, 128] {
                let limit = maximum.map { ["--max-constituents", "\($0)"] } ?? []
                let packed = try kaon(["pack", source, "--output", output, "--force"] + limit)
                let kept = counts.reduce(0) { $0 + min($1, maximum ?? .max) }
                #expect(packed.output.contains("8 jets with \(kept) constituents"), "\(packed.output)\(packed.errors)")
            }
        }
    }

    /// A signal ends the program as usual, but nothing unfinished is left.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func aSignalLeavesNothing(signal: Int32) throws {
        try withScratchFolder { folder in
            let output = folder + "/out.h5"
            let sources = Array(repeating: sample("val"), count: 100)
            let process = try KaonProcess(
                ["pack"] + sources + ["--output", output, "--compression", "9"], wrapper: ["env", "--default-signal"])
            try process.wait("the temporary file") { FileManager.default.fileExists(atPath: folder + "/.out.h5.tmp") }
            process.send(signal)
            let outcome = try process.outcome()
            #expect(outcome.code == -signal)
            #expect(outcome.errors == "Error: stopped by a signal: \(output) was not written\n")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
    }

    @Test(arguments: [nil, 2]) func aSignalLeavesNoEncodings(ranks: Int?) throws {
        try withScratchFolder { folder in
            let (run, output) = (try TinyRun(in: folder), folder + "/new/encoded.h5")
            #expect(try kaon(run.arguments(["training.steps=1"])).code == 0)
            let jets = Array(repeating: sample("val"), count: 200).joined(separator: ", ")
            let process = try KaonProcess(
                ["encode", run.latest, "data.test=[\(jets)]", "--output", output], ranks: ranks,
                wrapper: ["env", "--default-signal"])
            try process.wait("the temporary file") {
                FileManager.default.fileExists(atPath: folder + "/new/.encoded.h5.tmp")
            }
            process.send(SIGTERM)
            let outcome = try process.outcome()
            #expect(outcome.code != 0)
            if ranks == nil {
                #expect(outcome.errors == "Error: stopped by a signal: \(output) was not written\n")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/new").isEmpty)
        }
    }

    /// The ranks must not compete for the output file.
    @Test func packsOnceOnSeveralRanks() throws {
        try withScratchFolder { folder in
            let output = folder + "/out.h5"
            let packed = try kaon(["pack", sample("val"), "--output", output], ranks: 2)
            #expect(packed.code == 0 && packed.complaints.isEmpty, "\(packed.errors)")
            #expect(packed.output.split(separator: "\n").count == 1)
            let refused = try kaon(["pack", sample("val"), "--output", output], ranks: 2)
            #expect(refused.code == 1)
            #expect(refused.complaints.filter { $0.contains("already exists") }.count == 1)
        }
    }

    @Test func aMissingFolderIsCreated() throws {
        try withScratchFolder { folder in
            let output = folder + "/no/such/out.h5"
            let wrong = try kaon(["pack", sample("none"), "--output", output])
            #expect(wrong.code == 1 && !FileManager.default.fileExists(atPath: folder + "/no"))
            #expect(try kaon(["pack", sample("val"), "--output", output]).code == 0)
            // A source that does not exist is named rather than the output.
            let sources = try kaon(["pack", sample("none"), "--output", output])
            #expect(sources.code == 1 && sources.errors.contains("none.h5") && !sources.errors.contains(output))
            let inFile = try kaon(["pack", sample("val"), "--output", output + "/x/out.h5"])
            #expect(
                inFile.complaints == [
                    "Error: cannot write \(output)/x/out.h5: cannot create the folder \(output)/x: Not a directory"
                ])
            // A name that is too long for the temporary file.
            let name = folder + "/" + String(repeating: "x", count: 249) + ".h5"
            let long = try kaon(["pack", sample("val"), "--output", name])
            #expect(long.code == 1 && long.complaints == ["Error: HDF5 create \(name): file name too long"])
        }
    }

    @Test func nothingIsOverwritten() throws {
        try withScratchFolder { folder in
            let output = folder + "/out.h5"
            try "precious".write(toFile: output, atomically: true, encoding: .utf8)
            let refused = try kaon(["pack", sample("val"), "--output", output])
            #expect(refused.code == 1)
            #expect(
                refused.complaints == [
                    "Error: \(output) already exists; choose another name, or --force to replace it"
                ])
            // A source that cannot be packed leaves what was there, and nothing beside it.
            let broken = folder + "/broken.h5"
            try copySample(to: broken) { try $0.set(feature: 1, ofJet: 990, to: .nan) }
            let failed = try kaon(["pack", broken, "--output", output, "--force"])
            #expect(failed.code == 1)
            #expect(failed.complaints.count == 1)
            #expect(
                failed.complaints.first?.contains("\(broken): /csts, row 990, constituent 0: feature 'deta'")
                    == true)
            #expect(try String(contentsOfFile: output, encoding: .utf8) == "precious")
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                    "broken.h5", "out.h5",
                ])
            #expect(try kaon(["pack", sample("val"), "--output", output, "--force"]).code == 0)
        }
    }
}

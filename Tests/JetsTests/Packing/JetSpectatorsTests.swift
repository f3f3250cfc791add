import Foundation
import HDF5
import Jets
import TestSupport
import Testing

@Suite struct JetSpectatorsTests {
    /// Files a (25 jets) and b (14) with `jets` and `weight`, and c (5) without them.
    private func withFiles(_ body: ([String]) throws -> Void) throws {
        try withScratchFolder { folder in
            let paths = ["a", "b", "c"].map { "\(folder)/\($0).h5" }
            for (path, jets) in zip(paths, [25, 14, 5]) {
                try JetFixture(jets: jets).write(to: path)
                guard jets > 5 else { continue }
                let file = try File(opening: path, .readWrite)
                let rows = (0..<jets).flatMap { [Float(100 * jets + $0), Float($0) / 2] }
                try file.root.write(rows, shape: [jets, 2], as: "jets")
                try file.root.dataset("jets").setAttribute("names", to: ["pt", "eta"])
                try file.root.write((0..<jets).map { 1000 * jets + $0 }, as: "weight")
                try file.close()
            }
            try body(paths)
        }
    }

    private func written(
        _ names: [String]?, of dataset: JetDataset, _ body: (borrowing Group, [String]) throws -> Void
    ) throws {
        try withScratchFile { path in
            let spectators = try JetSpectators(names, of: dataset)
            let file = try File(creating: path)
            try file.root.write([1, 2], as: "weight")
            let skipped = try spectators.write(to: file.root)
            try body(file.root, skipped)
        }
    }

    private func names(in root: borrowing Group) throws -> [String] { try root.children.map(\.name) }

    private func dataset(_ paths: [String], _ choice: JetChoice = .all, jets: Int? = nil) throws -> JetDataset {
        try JetDataset(paths: paths, reading: .withEmptyJets, jets: jets, choice: choice, on: alone)
    }

    @Test func rowsFilesAndFeaturesOfAllJets() throws {
        try withFiles { paths in
            try written(nil, of: dataset([paths[0], paths[1]])) { root, skipped in
                #expect(skipped.isEmpty)
                let rows = try root.read("index", as: Int.self)
                #expect(rows == Array(0..<25) + Array(0..<14))
                let files = try root.read("file", as: Int.self)
                #expect(files == rows.indices.map { $0 < 25 ? 0 : 1 })
                #expect(try root.stringsAttribute("files") == [paths[0], paths[1]])
                let jets = try root.dataset("jets")
                #expect(jets.shape == [39, 2])
                #expect(try jets.stringsAttribute("names") == ["pt", "eta"])
                let values = try root.read("jets", as: Float.self)
                let expected = zip(files, rows).map { file, row in Float((file == 0 ? 2500 : 1400) + row) }
                #expect(rows.indices.map { values[2 * $0] } == expected)
            }
        }
    }

    /// Chosen classes, and the first jets only: the rows are those of the jets in use.
    @Test func selectedJets() throws {
        try withFiles { paths in
            let chosen = try dataset([paths[0], paths[1]], JetChoice(classes: ["top"]))
            #expect(chosen.jetsOfFiles == [8, 5])
            try written(["index", "jets"], of: chosen) { root, _ in
                let rows = Array(stride(from: 1, to: 25, by: 3)) + Array(stride(from: 1, to: 14, by: 3))
                #expect(try root.read("index", as: Int.self) == rows)
                let left = try names(in: root)
                #expect(!left.contains("file"))
                let values = try root.read("jets", as: Float.self)
                #expect(values.count == 26 && values[2] == 2504)
            }
            let first = try dataset([paths[1], paths[0]], jets: 20)
            #expect(first.jetsOfFiles == [14, 6])
            try written(["jets", "file"], of: first) { root, _ in
                #expect(try root.read("jets", as: Float.self).count == 40)
                let left = try names(in: root)
                #expect(!left.contains("index"))
                #expect(try root.read("file", as: Int.self).suffix(7) == [0, 1, 1, 1, 1, 1, 1])
            }
        }
    }

    @Test func takenNamesAreLeftOut() throws {
        try withFiles { paths in
            try written(["weight", "index"], of: dataset([paths[0]])) { root, skipped in
                #expect(skipped == ["weight"])
                let (weights, rows) = (try root.read("weight", as: Int.self), try root.read("index", as: Int.self))
                #expect(weights == [1, 2] && rows.count == 25)
            }
        }
    }

    /// By default `jets` is left out if a file lacks it; where it is named, that is an error.
    @Test func missingDatasets() throws {
        try withFiles { paths in
            try written(nil, of: dataset([paths[0], paths[2]])) { root, _ in
                #expect(try root.read("index", as: Int.self).count == 30)
                let left = try names(in: root)
                #expect(!left.contains("jets"))
            }
            func message(_ names: [String], _ paths: [String]) -> String {
                failure { _ = try JetSpectators(names, of: dataset(paths)) }
            }
            #expect(
                message(["jets"], [paths[0], paths[2]])
                    == "evaluate.spectators: \(paths[2]) has no dataset 'jets'; there are index, file")
            #expect(
                message(["jts"], [paths[0]])
                    == "evaluate.spectators: \(paths[0]) has no dataset 'jts'; there are index, file, jets, weight")
            #expect(message(["csts"], [paths[0]]).contains("/csts belongs to the jets themselves"))
        }
    }

    /// Rows that were never written are errors, chosen by name and by default, as in all data.
    @Test(arguments: [nil, ["score"]]) func rowsThatAreNotStored(names: [String]?) throws {
        try withScratchFile { path in
            try JetFixture(jets: 20).write(to: path)
            let file = try File(opening: path, .readWrite)
            let name = names?[0] ?? "jets"
            let created = try file.root.createDataset(name, of: .float32, shape: [20, 5], chunks: [10, 5])
            try [Float](repeating: 1, count: 50).withUnsafeBufferPointer { try created.write(rows: 0..<10, from: $0) }
            try file.close()
            #expect(
                failure { _ = try JetSpectators(names, of: dataset([path])) }
                    == "\(path): /\(name) lacks 10 of 20 rows (10..<20): 1 of 2 chunks were written; restore what is "
                    + "missing, or write the file again")
        }
    }
}

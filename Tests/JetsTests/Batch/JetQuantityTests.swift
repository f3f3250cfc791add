import HDF5
import Jets
import TestSupport
import Testing

/// Numbers of each jet, such as the target of a regression.
@Suite struct JetQuantityTests {
    /// Writes 300 jets in both layouts, adds datasets to each, and passes the paths to `body`.
    private func withFiles(
        _ add: (borrowing Group) throws -> Void, _ body: (String) throws -> Void
    ) throws {
        try withScratchFolder { folder in
            let fixture = JetFixture(jets: 300, minimum: 1)
            try fixture.write(to: folder + "/padded.h5")
            try fixture.writePacked(to: folder + "/packed.h5")
            for name in ["padded", "packed"] {
                let path = "\(folder)/\(name).h5"
                let file = try File(opening: path, .readWrite)
                try add(file.root)
                try file.close()
                try body(path)
            }
        }
    }

    private func table(_ root: borrowing Group, _ name: String = "jets", names: [String]? = nil) throws {
        let values = (0..<300).flatMap { jet in (0..<5).map { Float(10 * jet + $0) } }
        try root.write(values, shape: [300, 5], as: name)
        if let names { try root.dataset(name).setAttribute("names", to: names) }
    }

    /// Jets in any order have their own numbers, whatever rows of a block are in use.
    @Test func quantitiesFollowTheirJets() throws {
        try withFiles { root in
            try table(root, names: ["pt", "eta", "phi", "sdmass", "num_csts"])
            try root.write((0..<300).map { 2 * $0 }, as: "answer")
        } _: { path in
            let quantities = try ["jets/mass", "answer", "jets/pt"].map { try JetQuantity($0) }
            let reading = JetReading(maxConstituents: 4, quantities: quantities)
            for choice in [JetChoice.all, JetChoice(classes: ["top", "QCD"])] {
                let dataset = try JetDataset(paths: [path], reading: reading, choice: choice, on: alone)
                let loader = JetLoader(
                    dataset: dataset, preprocessing: RawPreprocessing(), order: .init(batchSize: 64, seed: 3))
                let batch = try loader.batch(epoch: 1, step: 1)
                for part in [batch, batch.slice(jets: 5..<9)] {
                    #expect(part.quantities[0] == part.jets.map { Float(10 * $0 + 3) })
                    #expect(part.quantities[1] == part.jets.map { Float(2 * $0) })
                    #expect(part.quantities[2] == part.jets.map { Float(10 * $0) })
                }
            }
        }
    }

    /// The columns of `jets` have their usual names in files that do not name them; those of others do not.
    @Test func columnsWithoutNames() throws {
        try withFiles { root in
            try table(root)
            try table(root, "others")
        } _: { path in
            let mass = JetReading(quantities: [try JetQuantity("jets/mass")])
            let masses = try openJetFile(path, reading: mass).read(rows: 7..<9).quantities
            #expect(masses == [[73, 83]])
            let other = JetReading(quantities: [try JetQuantity("others/mass")])
            let text = failure { _ = try openJetFile(path, reading: other) }
            #expect(
                text == "/others in \(path) has no column 'mass'; its columns have no names: add them as its "
                    + "attribute 'names'")
        }
    }

    @Test(arguments: [
        ("answer", "has no dataset 'answer' with a number for each jet (it has csts, csts_id, jets, labels, "),
        ("jets", "has the shape [300, 5], not [300]; name one of its columns as jets/COLUMN"),
        ("jets/energy", "has no column 'energy'; its columns are a, b, c, d, e"),
        ("labels/mass", "has the shape [300], not [300] × columns"),
        ("short", "has the shape [2], not [300]"),
    ])
    func missingQuantitiesAreNamed(name: String, message: String) throws {
        try withFiles { root in
            try table(root, names: ["a", "b", "c", "d", "e"])
            try root.write([1, 2], as: "short")
        } _: { path in
            let reading = JetReading(quantities: [try JetQuantity(name)])
            let text = failure { _ = try openJetFile(path, reading: reading) }
            #expect(text.contains(path) && text.contains(message), "\(text)")
        }
    }

    @Test func valuesThatCannotBeUsed() throws {
        try withFiles { root in
            var values = [Float](repeating: 1, count: 300)
            (values[20], values[30]) = (0, .nan)
            try root.write(values, as: "answer")
        } _: { path in
            func reading(_ rows: Range<Int>, isPositive: Bool) throws -> String {
                let quantity = try JetQuantity("answer", isPositive: isPositive)
                let file = try openJetFile(path, reading: JetReading(quantities: [quantity]))
                return failure { _ = try file.read(rows: rows) }
            }
            let (fine, zero, missing) = try (
                reading(10..<25, isPositive: false), reading(10..<25, isPositive: true),
                reading(25..<35, isPositive: false)
            )
            let advice = "write the file again without that jet"
            #expect(fine == "")
            #expect(zero == "\(path): /answer, row 20 is 0.0, but must be positive: \(advice)")
            #expect(missing == "\(path): /answer, row 30 is nan, but must be finite: \(advice)")
        }
    }

    @Test(arguments: ["", "/", "jets/", "/jets", "a/b/c"]) func badNames(name: String) {
        #expect(failure { _ = try JetQuantity(name) }.contains("'\(name)' is neither a dataset"))
    }
}

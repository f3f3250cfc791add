import HDF5
import Jets
import TestSupport
import Testing

/// Files whose features are not the seven in their usual order.
@Suite struct StoredFeaturesTests {
    /// Two jets of two constituents and one: Δη is 10 + constituent, pT 5 − constituent, Δφ 20, log_e 30.
    private func write(
        _ path: String, names: [String] = ["deta", "pt", "log_e", "dphi"], values: [Float]? = nil
    ) throws {
        let file = try File(creating: path)
        let rows: [Float] = [10, 5, 30, 20, 11, 4, 31, 21, 12, 3, 32, 22]
        let all = values ?? rows
        try file.root.write(all, shape: [3, all.count / 3], as: "csts")
        try file.root.dataset("csts").setAttribute("names", to: names)
        try file.root.write([0, 2, 3], as: "offsets")
        try file.root.write([3, 3, 3], as: "csts_id")
        try file.root.write([0, 0], as: "labels")
        try file.close()
    }

    private func withFile(_ names: [String]? = nil, _ body: (String) throws -> Void) throws {
        try withScratchFile("x.h5") { path in
            if let names { try write(path, names: names) } else { try write(path) }
            try body(path)
        }
    }

    /// The seven come first, those that the file lacks as zeros, then the further ones.
    @Test func columnsAreArranged() throws {
        try withFile { path in
            let file = try openJetFile(path, reading: JetReading())
            #expect(file.storedFeatures.features.storedNames == JetFeatures.allNames + ["log_e"])
            #expect(file.storedFeatures.present == [0, 1, 2, 7])
            let block = try file.read(rows: 0..<2)
            #expect(block.width == 8)
            #expect(Array(block.values[8..<16]) == [4, 11, 21, 0, 0, 0, 0, 31])
        }
    }

    /// A file with the seven features in another order is read as one with the usual order, in both layouts.
    @Test func theOrderOfTheSevenIsFree() throws {
        try withScratchFolder { folder in
            var fixture = JetFixture(jets: 30, minimum: 1)
            fixture.featureNames = ["pt", "dphi", "deta", "d0", "d0err", "dz", "dzerr"]
            try fixture.write(to: folder + "/padded.h5")
            try fixture.writePacked(to: folder + "/packed.h5")
            fixture.featureNames = nil
            try fixture.write(to: folder + "/usual.h5")
            let usual = try openJetFile(folder + "/usual.h5", reading: JetReading()).read(rows: 0..<30)
            for name in ["padded", "packed"] {
                let block = try openJetFile("\(folder)/\(name).h5", reading: JetReading()).read(rows: 0..<30)
                #expect(block.width == 7)
                for token in 0..<block.identities.count {
                    let (found, expected) = (
                        block.values[7 * token..<7 * token + 7], usual.values[7 * token..<7 * token + 7]
                    )
                    let swapped = [0, 2, 1, 3, 4, 5, 6].map { expected[expected.startIndex + $0] }
                    #expect(Array(found) == swapped)
                }
            }
        }
    }

    /// A run reads the further features that it names, and fits them like others.
    @Test func furtherFeaturesAreInputs() throws {
        try withFile { path in
            var reading = JetReading()
            reading.features = try JetFeatures(["log_e", "pt"])
            let dataset = try JetDataset(paths: [path], reading: reading, on: alone)
            #expect(dataset.features.ownNames == ["log_e"])
            let raw = JetLoader(
                dataset: dataset, preprocessing: RawPreprocessing(features: reading.features!),
                order: .init(batchSize: 2, seed: 1, shuffle: false), contents: .init(momenta: true))
            let batch = try raw.batch(epoch: 0, step: 0)
            #expect(batch.values.array == [30, 5, 31, 4, 32, 3])
            #expect(batch.momenta == [SIMD3(5, 10, 20), SIMD3(4, 11, 21), SIMD3(3, 12, 22)])
            let standard = try StandardPreprocessing.fit(dataset, features: reading.features!, on: alone)
            // The logarithm of pT alone.
            #expect(abs(standard.means[0] - 31) < 1e-6 && standard.means[1] < 2)
            let inputs = try JetLoader(
                dataset: dataset, preprocessing: standard, order: .init(batchSize: 2, seed: 1, shuffle: false)
            ).batch(epoch: 0, step: 0)
            #expect(inputs.values.columns == 2 && abs(inputs.values.buffer[2]) < 1e-6)
            let stored = standard.stored(inputs.values.array, identities: nil)
            #expect(stored.count == 3 * 8 && abs(stored[8 + 7] - 31) < 1e-4 && stored[8 + 1] == 0)
        }
    }

    @Test func whatIsMissingIsNamed() throws {
        func message(_ names: [String], wanted: [String]? = nil, values: [Float]? = nil) throws -> String {
            try withScratchFile("x.h5") { path in
                try write(path, names: names, values: values)
                var reading = JetReading()
                reading.features = try wanted.map { try JetFeatures($0) }
                return failure { _ = try openJetFile(path, reading: reading) }.replacing(path, with: "x.h5")
            }
        }
        let names = ["deta", "pt", "log_e", "dphi"]
        #expect(
            try message(names, wanted: ["all"])
                == "x.h5 has no feature 'd0': /csts holds deta, pt, log_e, dphi; select some of them, such as "
                + "data.features=[deta,pt,dphi], or write the file with it")
        #expect(try message(names, wanted: ["pt", "charge"]).contains("has no feature 'charge'"))
        #expect(try message(["deta", "pt", "log_e", "phi"]).contains("but not 'dphi'"))
        #expect(try message(["deta", "pt", "pt", "dphi"]).contains("the feature 'pt' twice"))
        #expect(try message(["deta", "pt", "dphi"]).contains("has 4 columns, but its attribute 'names' lists 3"))
        #expect(try message(names, wanted: ["log_e"]) == "")
        #expect(
            try message(names, values: [10, -5, 1, 1, 10, -5, 1, 1, 10, -5, 1, 1]) == "")
    }

    /// Errors about values name the feature.
    @Test func valuesAreChecked() throws {
        try withScratchFile("x.h5") { path in
            try write(path, values: [10, 5, .nan, 1, 10, 4, 1, 1, 10, 3, 1, 1])
            let file = try openJetFile(path, reading: JetReading())
            let text = failure { _ = try file.read(rows: 0..<2) }
            #expect(text.contains("row 0, constituent 0: feature 'log_e' is nan"), "\(text)")
        }
    }

    /// All files of a dataset need the features that are read; a packed file has those of its sources.
    @Test func statisticsAndPacking() throws {
        try withScratchFolder { folder in
            try write(folder + "/a.h5")
            try write(folder + "/b.h5")
            let statistics = try JetStatistics([folder + "/a.h5", folder + "/b.h5"])
            #expect(statistics.features.map(\.name) == ["pt", "deta", "dphi", "log_e"])
            #expect(statistics.features.last?.mean == 31)
            let file = try File(creating: folder + "/packed.h5")
            _ = try JetPacker([folder + "/a.h5", folder + "/b.h5"]).write(to: file.root)
            try file.close()
            let packed = try File(opening: folder + "/packed.h5")
            #expect(try packed.root.dataset("csts").stringsAttribute("names") == ["pt", "deta", "dphi", "log_e"])
            let values = try packed.root.read("csts", as: Float.self)
            #expect(Array(values[4..<8]) == [4, 11, 21, 31])
            try write(folder + "/c.h5", names: ["deta", "pt", "charge", "dphi"])
            let other = failure { _ = try JetPacker([folder + "/a.h5", folder + "/c.h5"]) }
            #expect(other.contains("the features in") && other.contains("pack them separately"))
            let mixed = failure { _ = try JetStatistics([folder + "/a.h5", folder + "/c.h5"]) }
            #expect(mixed.contains("write the files with the same features in the same order"))
        }
    }
}

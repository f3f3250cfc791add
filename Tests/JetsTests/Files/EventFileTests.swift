import Configuration
import HDF5
import Jets
import MPI
import System
import TestSupport
import Testing

/// Whole events: angles of the detector, and objects of several kinds.
@Suite struct EventFileTests {
    private let kinds = ["jet", "b jet", "muon", "met", "charged cluster", "tower", "photon", "electron", "tau"]

    /// Two events: pT, η, φ and the cosine of φ of two objects and one.
    private func write(
        _ path: String, names: [String] = ["pt", "eta", "phi", "cosphi"], kinds: [String]?,
        identities: [Int]? = [8, 2, 0]
    ) throws {
        let file = try File(creating: path)
        try file.root.write(
            [50, 4, 3.1, -0.9991, 40, -3, -3.1, -0.9991, 30, 2, 0, 1] as [Float], shape: [3, 4], as: "csts")
        try file.root.dataset("csts").setAttribute("names", to: names)
        try file.root.write([0, 2, 3], as: "offsets")
        if let identities { try file.root.write(identities, as: "csts_id") }
        if let kinds { try file.root.dataset("csts_id").setAttribute("names", to: kinds) }
        try file.root.write([0, 0], as: "labels")
        try file.close()
    }

    private func reading(_ features: [String], _ kinds: [String]?) throws -> JetReading {
        var reading = JetReading()
        reading.features = try JetFeatures(features, kinds.map { try Identities($0) } ?? .particles)
        return reading
    }

    /// η and φ are inputs like others, and the momenta of masks and pairs.
    @Test func anglesOfTheDetector() throws {
        try withScratchFile("events.h5") { path in
            try write(path, kinds: kinds)
            let reading = try reading(["pt", "eta", "cosphi"], kinds)
            let dataset = try JetDataset(paths: [path], reading: reading, on: alone)
            #expect(dataset.features.identities.names == kinds)
            let raw = RawPreprocessing(features: reading.features!)
            let batch = try JetLoader(
                dataset: dataset, preprocessing: raw, order: .init(batchSize: 2, seed: 1, shuffle: false),
                contents: .init(momenta: true)
            ).batch(epoch: 0, step: 0)
            #expect(batch.values.array == [50, 4, -0.9991, 40, -3, -0.9991, 30, 2, 1])
            #expect(batch.momenta == [SIMD3(50, 4, 3.1), SIMD3(40, -3, -3.1), SIMD3(30, 2, 0)])
            #expect(batch.identities == [8, 2, 0])
            let file = try openJetFile(path, reading: JetReading())
            #expect(
                file.storedFeatures.present.map { file.storedFeatures.features.storedNames[$0] }.sorted()
                    == ["cosphi", "eta", "phi", "pt"])
        }
    }

    /// Models with η and φ write their jets with the angles to the axis η = φ = 0, too.
    @Test func momentaOfModels() throws {
        let features = try JetFeatures(["phi", "pt", "eta"])
        #expect(features.momentumColumns == [1, 2, 0])
        #expect(try JetFeatures(["pt", "deta", "dphi", "eta", "phi"]).momentumColumns == [0, 1, 2])
        #expect(try JetFeatures(["pt", "eta", "cosphi"]).momentumColumns == nil)
        let stored = RawPreprocessing(features: features).stored([0.5, 20, 2], identities: nil)
        #expect(stored == [20, 2, 0.5, 0, 0, 0, 0, 0.5, 2])
        #expect(JetObservables.momenta(of: [0.5, 20, 2], features: features) == [SIMD3(20, 2, 0.5)])
        #expect(JetObservables.momenta(of: [1, 2], features: try JetFeatures(["pt", "eta"])) == nil)
    }

    /// A packed file, statistics and a fitted preprocessing keep the kinds.
    @Test func kindsAreKept() throws {
        try withScratchFolder { folder in
            try write(folder + "/a.h5", kinds: kinds)
            let statistics = try JetStatistics([folder + "/a.h5"])
            #expect(statistics.identities.map(\.name) == kinds)
            #expect(statistics.identities.map { ($0.fraction * 3).rounded() } == [1, 0, 1, 0, 0, 0, 0, 0, 1])
            let file = try File(creating: folder + "/packed.h5")
            _ = try JetPacker([folder + "/a.h5"]).write(to: file.root)
            try file.close()
            #expect(try File(opening: folder + "/packed.h5").root.dataset("csts_id").stringsAttribute("names") == kinds)
            let features = try JetFeatures(["pt"], Identities(kinds))
            let fitted = try StandardPreprocessing(features: features, means: [1], deviations: [2])
            let stored = try File(creating: folder + "/fitted.h5")
            try fitted.save(to: stored.root)
            try stored.close()
            #expect(try StandardPreprocessing(from: File(opening: folder + "/fitted.h5").root).features == features)
            try write(folder + "/b.h5", kinds: kinds.reversed())
            #expect(
                failure { _ = try JetStatistics([folder + "/a.h5", folder + "/b.h5"]) }.contains("the identities in"))
            #expect(
                failure { _ = try JetPacker([folder + "/a.h5", folder + "/b.h5"]) }.contains("pack them separately"))
        }
    }

    @Test func kindsThatDoNotFit() throws {
        func message(
            _ stored: [String]?, wanted: [String]?, identities: [Int] = [8, 2, 0]
        ) throws -> String {
            try withScratchFile("x.h5") { path in
                try write(path, kinds: stored, identities: identities)
                let reading = try reading(["pt", "eta", "phi"], wanted)
                return failure { _ = try openJetFile(path, reading: reading).read(rows: 0..<2) }
                    .replacing(path, with: "x.h5")
            }
        }
        #expect(try message(kinds, wanted: kinds) == "")
        // Files may lack the last kinds, for jets and for events.
        #expect(
            try message(["photon", "negative hadron", "neutral hadron"], wanted: nil, identities: [1, 2, 0]) == "")
        #expect(try message(kinds, wanted: kinds + ["photon jet"]) == "")
        #expect(try message(["photon", "neutral hadron"], wanted: nil, identities: [1, 0, 0]).contains("has the 2"))
        #expect(
            try message(kinds, wanted: nil).hasPrefix(
                "x.h5 has the 9 identities jet, b jet, muon, met, charged cluster, tower, photon, electron, tau, more "
                    + "than the model has, not the 8 of data.identities (photon, "))
        #expect(try message(kinds, wanted: kinds.reversed()).contains("set data.identities=[jet,b jet,muon,met,"))
        // Files that do not name the kinds are checked by number.
        #expect(try message(nil, wanted: kinds) == "")
        #expect(try message(nil, wanted: nil).contains("is 8; identities are 0 (photon) to 7 (antimuon)"))
        #expect(try message(nil, wanted: ["jet"]).contains("is 8; identities are 0 (jet) to 0 (jet)"))
        // Earlier files of particles may name the eight otherwise.
        let eight = ["a", "b", "c", "d", "e", "f", "g", "h"]
        #expect(try message(eight, wanted: nil, identities: [7, 2, 0]) == "")
        #expect(try message(["jet", "jet"], wanted: ["jet"]).contains("has the 2 identities"))
    }

    @Test func fileWithoutIdentities() throws {
        try withScratchFile("x.h5") { path in
            try write(path, kinds: nil, identities: nil)
            let text = failure { _ = try openJetFile(path, reading: JetReading()) }
            #expect(
                text.contains("/csts_id is missing in \(path)") && text.contains("train with model.identity=false"),
                "\(text)")
        }
    }

    /// Files whose constituents are all the same have no identities; angles in degrees are named.
    @Test func dataWithoutIdentities() throws {
        func check(_ folder: String, identities: [Int], scale: Float) throws -> [String] {
            let file = try File(creating: folder + "/x.h5")
            var values: [Float] = []
            for number in 0..<600 {
                let angle = scale * Float(number % 7 - 3)
                values += [Float(20 + number % 3), angle, angle]
            }
            try file.root.write(values, shape: [600, 3], as: "csts")
            try file.root.dataset("csts").setAttribute("names", to: ["pt", "eta", "phi"])
            try file.root.write(identities, as: "csts_id")
            try file.root.write([0, 300, 600], as: "offsets")
            try file.root.write([0, 0], as: "labels")
            try file.close()
            var reading = try reading(["pt", "eta", "phi"], nil)
            reading.maxConstituents = 300
            let dataset = try JetDataset(paths: [folder + "/x.h5"], reading: reading, on: alone)
            return try dataset.warnings(reading.features!, seed: 1).filter { !$0.contains("stored by") }
        }
        try withScratchFolder { folder in
            let warnings = try check(folder, identities: [Int](repeating: 2, count: 600), scale: 57)
            #expect(warnings.count == 3 && warnings[0].hasPrefix("feature 'eta' exceeds 12 for"), "\(warnings)")
            #expect(warnings[1].hasSuffix("is it in radians?"))
            #expect(
                warnings[2]
                    == "all constituents have the identity 2 (neutral hadron): fill /csts_id, or train "
                    + "without it (model.identity=false)")
        }
        try withScratchFolder { folder in
            let warnings = try check(folder, identities: (0..<600).map { $0 % 2 }, scale: 1)
            #expect(warnings == [])
        }
    }

    /// A misspelt feature is compared with those of the file.
    @Test func misspeltFeatures() throws {
        try withScratchFile("x.h5") { path in
            try write(path, kinds: nil)
            let reading = try reading(["pt", "cosfi"], nil)
            let text = failure { _ = try openJetFile(path, reading: reading) }
            #expect(text.contains("has no feature 'cosfi'; did you mean 'cosphi'?: /csts holds"), "\(text)")
            let other = failure { _ = try openJetFile(path, reading: self.reading(["pt", "deta"], nil)) }
            #expect(other.contains("did you mean 'eta'?"), "\(other)")
        }
    }

    @Test func namesAreDecoded() throws {
        func identities(_ yaml: String) throws -> Identities {
            try JetFeatures(from: try Configuration(yaml: yaml, name: "x.yaml").section().section("data")).identities
        }
        #expect(try identities("data: {}") == .particles)
        #expect(try identities("data: {identities: particles}") == .particles)
        let some = try identities("data: {identities: [jet, muon, charged cluster]}")
        #expect(some.names == ["jet", "muon", "charged cluster"] && some.count == 3)
        #expect((0..<3).map { some.isNeutral($0) } == [true, false, false])
        #expect(
            (0..<8).map { Identities.particles.isNeutral($0) } == [
                true, false, true, false, false, false, false, false,
            ])
        #expect(failure { _ = try identities("data: {identities: [jet, jet]}") }.contains("'jet' is named twice"))
        #expect(failure { _ = try Identities([]) } == "0 identities are named; give from 1 to 64 names")
        #expect(failure { _ = try Identities((0...64).map { "\($0)" }) }.hasPrefix("65 identities are named"))
    }
}

import HDF5
import Jets
import TestSupport
import Testing

@Suite struct JetPackerTests {
    private func pack(
        _ sources: [String], to path: String, _ change: (inout JetPacker.Options) -> Void = { _ in }
    ) throws -> JetPacker.Summary {
        var options = JetPacker.Options()
        options.allowsEmptyJets = true
        change(&options)
        let file = try File(creating: path)
        let summary = try JetPacker(sources, options: options).write(to: file.root)
        try file.close()
        return summary
    }

    /// Adds datasets with a row for each jet and for each constituent, numbered consecutively.
    private func addDatasets(to path: String, jets: Int, slots: Int) throws {
        let file = try File(opening: path, .readWrite)
        try file.root.write((0..<jets * 5).map { Float($0) }, shape: [jets, 5], as: "jets")
        try file.root.dataset("jets").setAttribute("names", to: ["pt", "eta", "phi", "mass", "constituents"])
        try file.root.write((0..<jets * slots).map { Int16($0) }, shape: [jets, slots], as: "vtx_id")
        try file.root.write(
            (0..<jets * slots * 2).map { Double($0) }, shape: [jets, slots, 2], as: "direction")
        try file.root.setAttribute("generator", to: "a")
        try file.root.setAttribute("energy", to: 13)
        try file.close()
    }

    @Test func aPackedFileHoldsTheSame() throws {
        try withScratchFolder { folder in
            let (source, packed, again) = (folder + "/a.h5", folder + "/b.h5", folder + "/c.h5")
            var fixture = JetFixture(jets: 2345)
            fixture.mask[6 * 6 + 1] = 0
            try fixture.write(to: source)
            try addDatasets(to: source, jets: 2345, slots: 6)
            let summary = try pack([source], to: packed)
            #expect(summary.jets == 2345 && summary.constituents == fixture.mask.count { $0 != 0 })
            #expect(try pack([packed], to: again) == summary)

            let padded = try openJetFile(source, reading: JetReading(maxConstituents: 128))
            let slots = fixture.mask.indices.filter { fixture.mask[$0] != 0 }
            for path in [packed, again] {
                let file = try openJetFile(path, reading: JetReading(maxConstituents: 128))
                #expect(file is PackedFile && file.classNames == padded.classNames)
                let (a, b) = (try padded.read(rows: 0..<2345), try file.read(rows: 0..<2345))
                #expect(a.offsets == b.offsets && a.values == b.values)
                #expect(a.identities == b.identities && a.labels == b.labels)

                let raw = try File(opening: path)
                #expect(try raw.root.read("jets", as: Float.self) == (0..<2345 * 5).map { Float($0) })
                #expect(try raw.root.read("vtx_id", as: Int.self) == slots.map { Int(Int16($0)) })
                #expect(
                    try raw.root.read("direction", as: Double.self)
                        == slots.flatMap { [Double(2 * $0), Double(2 * $0 + 1)] })
                #expect(try raw.root.dataset("vtx_id").elementType == .int16)
                #expect(try raw.root.dataset("direction").shape == [slots.count, 2])
                #expect(try raw.root.dataset("jets").stringsAttribute("names").last == "constituents")
                #expect(try raw.root.dataset("labels").elementType == .uint8)
                #expect(
                    try raw.root.dataset("csts").filters
                        == Filters(deflate: 4, shuffle: true, fletcher32: true))
                #expect(try raw.root.stringAttribute("layout") == "kaon packed")
                #expect(try raw.root.intAttribute("layout_version") == 1)
                #expect(try raw.root.stringAttribute("generator") == "a")
                #expect(try raw.root.intAttribute("energy") == 13)
                #expect(try raw.root.stringsAttribute("sources") == [path == packed ? "a.h5" : "b.h5"])
            }
        }
    }

    /// Datasets with as many columns of a jet as there are slots keep a row for each jet.
    @Test func columnsOfJetsAreNoSlots() throws {
        try withScratchFolder { folder in
            let (source, packed, again) = (folder + "/a.h5", folder + "/b.h5", folder + "/c.h5")
            try JetFixture(jets: 30, slots: 5).write(to: source)
            try addDatasets(to: source, jets: 30, slots: 5)
            let file = try File(opening: source, .readWrite)
            for (name, width) in [("vtx_pos", 4), ("truth", 1), ("quality", 1)] {
                let shape = name == "vtx_pos" ? [30, 5, width] : [30, 5]
                try file.root.write((0..<150 * width).map { Float($0) }, shape: shape, as: name)
            }
            try file.root.dataset("truth").setAttribute("names", to: ["a", "b", "c", "d", "e"])
            try file.root.dataset("quality").setAttribute("names", to: ["bad", "good"])
            try file.root.dataset("vtx_id").setAttribute("names", to: ["a", "b", "c", "d", "e"])
            try file.close()

            let constituents = try pack([source], to: packed).constituents
            #expect(try pack([packed], to: again).constituents == constituents)
            for path in [packed, again] {
                let root = try File(opening: path).root
                #expect(try root.dataset("jets").shape == [30, 5])
                #expect(try root.dataset("truth").shape == [30, 5])
                #expect(try root.read("truth", as: Float.self) == (0..<150).map { Float($0) })
                #expect(try root.dataset("vtx_pos").shape == [30, 5, 4])
                #expect(try root.dataset("quality").shape == [constituents])
                #expect(try root.dataset("vtx_id").shape == [constituents])
            }
        }
    }

    /// A packed file with as many constituents as jets: `vtx_id` belongs to the constituents, `weight` to the jets.
    @Test func asManyConstituentsAsJets() throws {
        try withScratchFolder { folder in
            let (source, packed) = (folder + "/a.h5", folder + "/b.h5")
            var fixture = JetFixture(jets: 4)
            fixture.mask = [0, 2, 1, 1].flatMap { used in (0..<6).map { $0 < used ? 1 : 0 } }
            for slot in fixture.features.indices where !fixture.features[slot].isFinite { fixture.features[slot] = 1 }
            fixture.identities = fixture.identities.map { max(0, $0) }
            try fixture.writePacked(to: source)
            let file = try File(opening: source, .readWrite)
            try file.root.write([10, 11, 12, 13], as: "vtx_id")
            try file.root.write([20, 21, 22, 23], as: "weight")
            try file.close()
            try #expect(pack([source], to: packed) { $0.maxConstituents = 1 }.constituents == 3)
            let root = try File(opening: packed).root
            #expect(try root.read("vtx_id", as: Int.self) == [10, 12, 13])
            #expect(try root.read("weight", as: Int.self) == [20, 21, 22, 23])
        }
    }

    @Test func severalSourcesFollowEachOther() throws {
        try withScratchFolder { folder in
            try JetFixture(jets: 30).write(to: folder + "/a.h5")
            try JetFixture(jets: 14).writePacked(to: folder + "/b.h5")
            let output = folder + "/out"
            #expect(try pack([folder], to: output).jets == 44)
            let labels = try openJetFile(output, reading: JetReading(maxConstituents: 6)).labels(rows: 0..<44)
            #expect(labels == [30, 14].flatMap { (0..<$0).map { Int32($0 % 3) } })
        }
    }

    @Test func constituentsMayBeCut() throws {
        try withScratchFolder { folder in
            try JetFixture(jets: 35).write(to: folder + "/a.h5")
            try addDatasets(to: folder + "/a.h5", jets: 35, slots: 6)
            try #expect(pack([folder + "/a.h5"], to: folder + "/whole.h5").constituents == 5 * 21)
            for source in ["a.h5", "whole.h5"] {
                let summary = try pack(["\(folder)/\(source)"], to: folder + "/cut.h5") {
                    $0.maxConstituents = 2
                }
                #expect(summary.constituents == 5 * 11)
                let ids = try File(opening: folder + "/cut.h5").root.read("vtx_id", as: Int.self)
                #expect(ids == (0..<35).flatMap { jet in (0..<min(jet % 7, 2)).map { jet * 6 + $0 } })
            }
        }
    }

    /// Datasets of texts and compounds are left out, and named.
    @Test func textsAreLeftOut() throws {
        try withScratchFolder { folder in
            let source = oddFile("texts")
            #expect(try pack([source], to: folder + "/out").jets == 2)
            let names = try File(opening: folder + "/out").root.children.map(\.name).sorted()
            #expect(names == ["csts", "csts_id", "labels", "offsets", "weight"])
            #expect(
                try JetPacker([source]).leftOut
                    == ["the string dataset /name of \(source)", "the compound dataset /table of \(source)"])
        }
    }

    @Test func whatDoesNotFitIsNamed() throws {
        try withScratchFolder { folder in
            let (a, b, out) = (folder + "/a.h5", folder + "/b.h5", folder + "/out")
            try JetFixture(jets: 10).write(to: a)
            var other = JetFixture(jets: 10)
            other.classNames = ["QCD", "W", "top"]
            try other.write(to: b)
            #expect(
                failure { _ = try pack([a, b], to: out) }
                    == "the classes in \(b) (QCD, W, top) are not those in \(a) (QCD, top, W): pack them separately"
            )
            try JetFixture(jets: 10).write(to: b)
            try addDatasets(to: b, jets: 10, slots: 6)
            #expect(
                failure { _ = try pack([a, b], to: out) }.hasPrefix(
                    "the further datasets in \(b) (direction float64 [2], jets float32 [5], vtx_id int16 []) are"
                ))
            let file = try File(opening: a, .readWrite)
            try file.root.write([1, 2, 3], as: "weights")
            try file.close()
            #expect(
                failure { _ = try pack([a], to: out) }
                    == "/weights in \(a), int64 of shape [3], has no row of numbers for every jet or constituent: "
                    + "remove it from the file")
        }
    }
}

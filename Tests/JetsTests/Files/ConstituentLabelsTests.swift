import HDF5
import Jets
import TestSupport
import Testing

/// Integers of each constituent besides the features.
@Suite struct ConstituentLabelsTests {
    private let names = ["track_type", "vtx_id"]

    /// Reading part of a file, or fewer constituents, gives the same integers as reading all of it.
    @Test(arguments: [15, 4]) func bothLayoutsAgree(maxConstituents: Int) throws {
        let packed = try openJetFile(
            sample("btag"), reading: JetReading(maxConstituents: maxConstituents, constituentLabels: names))
        let block = try packed.read(rows: 10..<60)
        let whole = try openJetFile(sample("btag"), reading: JetReading(maxConstituents: 15, constituentLabels: names))
            .read(rows: 0..<100)
        #expect(block.constituentLabels.count == 2)
        for (index, labels) in block.constituentLabels.enumerated() {
            #expect(labels.count == block.identities.count)
            for jet in 0..<50 {
                let (own, all) = (block.offsets[jet], whole.offsets[jet + 10])
                for constituent in 0..<own.count {
                    #expect(
                        labels[own.lowerBound + constituent]
                            == whole.constituentLabels[index][all.lowerBound + constituent])
                }
            }
        }
        #expect(Set(block.constituentLabels[0]).isSubset(of: [0, 1, 2, 3]))
    }

    @Test func aMissingDatasetIsNamed() throws {
        let text = failure {
            _ = try openJetFile(sample("val"), reading: JetReading(maxConstituents: 10, constituentLabels: ["vtx_id"]))
        }
        #expect(text.contains("has no dataset 'vtx_id'") && text.contains("val.h5"), "\(text)")
        #expect(
            failure {
                _ = try openJetFile(
                    sample("btag"), reading: JetReading(maxConstituents: 10, constituentLabels: ["csts"]))
            }
            .contains("/csts"))
    }

    /// Compression that HDF5 cannot read is an error at the start.
    @Test func anUnknownFilterIsNamed() {
        let path = oddFile("lzf_vertices")
        let text = failure { _ = try openJetFile(path, reading: JetReading(constituentLabels: ["vtx_id"])) }
        #expect(text.contains("/vtx_id in \(path)") && text.contains("lzf"), "\(text)")
    }

    /// A number of a vertex that has no meaning is named with its place, in both layouts.
    @Test(arguments: [(-2, "is -2; vertices are numbered"), (1 << 40, "is beyond 32 bits; vertices")])
    func verticesWithoutAMeaningAreRefused(value: Int, text: String) throws {
        let name = "vtx_id"
        try withScratchFolder { folder in
            let fixture = JetFixture(jets: 8, minimum: 1)
            for layout in ["padded", "packed"] {
                let path = "\(folder)/\(layout).h5"
                if layout == "padded" { try fixture.write(to: path) } else { try fixture.writePacked(to: path) }
                func add(_ wrong: Int) throws {
                    let file = try File(opening: path, .readWrite)
                    let shape = try file.root.dataset("csts_id").shape
                    var values = [Int](repeating: 1, count: shape.reduce(1, *))
                    // Jet 2, constituent 1.
                    values[layout == "padded" ? 2 * fixture.slots + 1 : 1 + 2 + 1] = wrong
                    let dataset =
                        try file.root.contains(name)
                        ? file.root.dataset(name) : file.root.createDataset(name, of: .int64, shape: shape)
                    try values.withUnsafeBufferPointer { try dataset.write(rows: 0..<shape[0], from: $0) }
                    try file.close()
                }
                func read() throws {
                    _ = try openJetFile(path, reading: JetReading(maxConstituents: 10, constituentLabels: [name]))
                        .read(rows: 0..<8)
                }
                try add(-1)
                try read()
                try add(value)
                let message = failure { try read() }
                #expect(message.contains("/\(name), row 2, constituent 1 \(text)"), "\(message)")
            }
        }
    }
}

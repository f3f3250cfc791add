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
}

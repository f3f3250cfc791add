import Foundation
import Jets
import TestSupport
import Testing

@Suite struct JetDatasetTests {
    @Test func filesFollowEachOther() throws {
        try withScratchFile("a.h5") { a in
            let b = a.replacing("a.h5", with: "b.h5")
            try JetFixture(jets: 25).write(to: a)
            try JetFixture(jets: 14, slots: 3).write(to: b)
            let dataset = try JetDataset(
                paths: [a, b, a], reading: JetReading(maxConstituents: 5, allowsEmptyJets: true), on: alone)
            #expect(dataset.count == 64 && dataset.classNames == ["QCD", "top", "W"])
            var labels: [Int32] = []
            for block in 0..<dataset.blockCount {
                let jets = try dataset.read(block: block)
                #expect(jets.count == dataset.layout.jets(ofBlock: block).count)
                labels += jets.labels
            }
            #expect(labels == [25, 14, 25].flatMap { (0..<$0).map { Int32($0 % 3) } })
            #expect(dataset.place(ofJet: 24).path == a && dataset.place(ofJet: 24).row == 24)
            #expect(dataset.place(ofJet: 25).path == b && dataset.place(ofJet: 25).row == 0)
            #expect(dataset.place(ofJet: 63).path == a && dataset.place(ofJet: 63).row == 24)
        }
    }

    /// The constituents of the jets in use are counted without their features, which nothing could read here.
    @Test(arguments: [JetChoice.all, JetChoice(classes: ["W"]), JetChoice(jets: 17, seed: 2)])
    func constituentsAreCountedWithoutFeatures(choice: JetChoice) throws {
        try withScratchFile("a.h5") { a in
            let paths = ["a.h5", "b.h5", "c.h5", "d.h5"].map { a.replacing("a.h5", with: $0) }
            func dataset(_ paths: ArraySlice<String>) throws -> JetDataset {
                try JetDataset(
                    paths: Array(paths), reading: JetReading(maxConstituents: 4, allowsEmptyJets: true), choice: choice,
                    on: alone)
            }
            func read(_ dataset: JetDataset) throws -> Int {
                try (0..<dataset.blockCount).reduce(0) { try $0 + dataset.read(block: $1).identities.count }
            }
            var fixture = JetFixture(jets: 25)
            try fixture.write(to: paths[0])
            try fixture.writePacked(to: paths[1])
            fixture.features = fixture.features.map { _ in .nan }
            try fixture.write(to: paths[2])
            try fixture.writePacked(to: paths[3])
            let (good, broken) = (try dataset(paths[..<2]), try dataset(paths[2...]))
            let expected = try read(good)
            #expect(expected > 0)
            #expect(try good.constituentCount() == expected && broken.constituentCount() == expected)
            #expect(failure { _ = try read(broken) } != "")
        }
    }

    @Test func theNumberOfJetsCanBeBounded() throws {
        func count(_ jets: Int?) throws -> Int {
            try JetDataset(paths: [sample("val"), sample("test")], reading: .withEmptyJets, jets: jets, on: alone).count
        }
        #expect(try count(nil) == 2000)
        #expect(try count(1500) == 1500)
        #expect(try count(10) == 10)
        #expect(try count(1 << 40) == 2000)
    }

    @Test func classesMustAgree() throws {
        try withScratchFile("a.h5") { a in
            let b = a.replacing("a.h5", with: "b.h5")
            try JetFixture(jets: 5).write(to: a)
            var other = JetFixture(jets: 5)
            other.classNames = ["QCD", "W", "top"]
            try other.write(to: b)
            let message = failure { _ = try JetDataset(paths: [a, b], reading: .withEmptyJets, on: alone) }
            #expect(
                message.hasPrefix("the classes in \(b) (QCD, W, top) are not those in \(a) (QCD, top, W): "))
        }
    }

    @Test func everyFileIsLookedAtFirst() throws {
        try withScratchFile { path in
            var broken = JetFixture(jets: 5)
            broken.missing = ["mask"]
            try broken.write(to: path)
            let message = failure {
                _ = try JetDataset(paths: [sample("val"), path], reading: .withEmptyJets, on: alone)
            }
            #expect(message.hasPrefix("dataset /mask is missing in \(path)"))
        }
        #expect(
            failure { _ = try JetDataset(paths: [], reading: .withEmptyJets, on: alone) }
                == "no file of jets is given; name at least one")
        #expect(
            failure { _ = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, jets: 0, on: alone) }
                .contains("at least 1"))
        #expect(
            failure { _ = try JetDataset(paths: [sample("val")], reading: JetReading(maxConstituents: 0), on: alone) }
                .contains("max_constituents is 0"))
    }
}

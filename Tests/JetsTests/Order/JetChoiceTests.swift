import Configuration
import Jets
import TestSupport
import Testing

@Suite struct JetChoiceTests {
    /// Jets of three classes in blocks of ten: label = jet mod 3, in two files.
    private func withDataset<R>(
        _ choice: JetChoice, limit: Int? = nil, _ body: (JetDataset) throws -> R
    ) throws -> R {
        try withScratchFolder { folder in
            var fixture = JetFixture(jets: 2500)
            fixture.chunk = 600
            try fixture.write(to: folder + "/a.h5")
            try fixture.writePacked(to: folder + "/b.h5")
            return try body(
                JetDataset(paths: [folder], reading: .withEmptyJets, jets: limit, choice: choice, on: alone))
        }
    }

    /// All jets of an epoch.
    private func epoch(_ dataset: JetDataset, shuffle: Bool = true, number: Int = 0) -> [Int] {
        let order = JetOrder(
            dataset.numbering, .init(batchSize: 32, seed: 1, shuffle: shuffle, windowBlocks: 3))
        return (0..<order.stepsPerEpoch).flatMap { order.jets(epoch: number, step: $0) }
    }

    private func label(_ jet: Int) -> Int { jet % 2500 % 3 }

    @Test func classesRestrictTheJets() throws {
        try withDataset(JetChoice(classes: ["W", "QCD"])) { dataset in
            let expected = (0..<5000).filter { label($0) != 1 }
            #expect(dataset.count == expected.count)
            #expect(epoch(dataset, shuffle: false) == expected)
            for number in 0..<2 {
                let jets = epoch(dataset, number: number)
                #expect(jets != expected && jets.sorted() == expected)
            }
        }
    }

    @Test(arguments: [1, 2, 3, 100, 1001, 5000 / 3 * 3])
    func jetsAreTakenEvenlyFromTheClasses(count: Int) throws {
        try withDataset(JetChoice(jets: count, seed: 3)) { dataset in
            let jets = epoch(dataset)
            #expect(jets.count == count && Set(jets).count == count)
            for c in 0..<3 { #expect(jets.count { label($0) == c } == max(0, (count - c + 2) / 3)) }
        }
    }

    @Test func aSmallChoiceIsPartOfALargeOne() throws {
        let choices = try [10, 100, 1000].map { count in
            try withDataset(JetChoice(classes: ["top", "QCD"], jets: count, seed: 7)) { Set(epoch($0)) }
        }
        #expect(choices[0].isSubset(of: choices[1]) && choices[1].isSubset(of: choices[2]))
        let other = try withDataset(JetChoice(classes: ["top", "QCD"], jets: 10, seed: 8)) { Set(epoch($0)) }
        #expect(other != choices[0])
        #expect(choices[2].count { label($0) == 1 } == 500 && choices[2].count { label($0) == 0 } == 500)
    }

    @Test func theFirstOfAClass() throws {
        try withDataset(JetChoice(classes: ["top"]), limit: 1001) { dataset in
            #expect(
                epoch(dataset, shuffle: false) == Array((0..<5000).filter { label($0) == 1 }.prefix(1001)))
        }
    }

    /// The batches of a choice contain the same jets as the files.
    @Test func batchesHoldTheChosenJets() throws {
        try withDataset(JetChoice(jets: 500, seed: 1)) { dataset in
            let all = JetLoader(
                dataset: try JetDataset(paths: dataset.paths, reading: .withEmptyJets, on: alone),
                preprocessing: RawPreprocessing(),
                order: .init(batchSize: 100, seed: 1))
            let some = JetLoader(
                dataset: dataset, preprocessing: RawPreprocessing(), order: .init(batchSize: 100, seed: 1))
            #expect(some.stepsPerEpoch == 5)
            for step in 0..<5 {
                let batch = try some.batch(epoch: 0, step: step)
                let same = try all.batch(jets: batch.jets, epoch: 0)
                #expect(batch.jets.map { Int32(label($0)) } == batch.labels)
                #expect(batch.values.array == same.values.array && batch.labels == same.labels)
                #expect(batch.offsets.values == same.offsets.values)
            }
        }
    }

    @Test func whatTheFilesDoNotHave() throws {
        func message(_ choice: JetChoice) -> String { failure { try withDataset(choice) { _ in } } }
        #expect(
            message(JetChoice(classes: ["QCD", "Z"]))
                == "data.classes: there is no class 'Z' in the files; they have QCD, top, W")
        #expect(
            message(JetChoice(jets: 5000))
                == "data.jets requires 1667 jets of class 'top', but the files have 1666: lower data.jets, or "
                + "leave the class out of data.classes"
                || message(JetChoice(jets: 5000)).hasPrefix("data.jets requires 1666 jets of class 'W', but"))
        try withScratchFile { path in
            var fixture = JetFixture(jets: 10)
            fixture.classNames = nil
            try fixture.write(to: path)
            let error = failure {
                _ = try JetDataset(paths: [path], reading: .withEmptyJets, choice: JetChoice(jets: 3), on: alone)
            }
            #expect(
                error.hasPrefix("data.classes and data.jets need the names of the classes, which the files lack")
            )
        }
    }

    @Test func readsTheConfiguration() throws {
        func choice(_ yaml: String) throws -> JetChoice {
            let section = try Configuration(yaml: yaml, name: "x.yaml").section().section("data")
            return try JetChoice(from: section, seed: 4)
        }
        #expect(try choice("data: {}") == JetChoice(seed: 4))
        #expect(try choice("data: {classes: all, jets: all}") == JetChoice(seed: 4))
        #expect(
            try choice("data: {classes: [QCD, W], jets: 1000}")
                == JetChoice(classes: ["QCD", "W"], jets: 1000, seed: 4))
        #expect(
            failure { _ = try choice("data: {classes: [W, W]}") }.contains("data.classes: the class 'W' is"))
        #expect(failure { _ = try choice("data: {classes: []}") }.contains("data.classes: no class is named"))
        #expect(failure { _ = try choice("data: {jets: 0}") }.contains("data.jets: must be at least 1"))
    }
}

import Foundation
import Jets
import MPI
import Tensors
import TestSupport
import Testing

let world = makeWorld()

/// Every test is collective: all ranks run the same one at a time. They hold for any number of ranks.
@Suite(.serialized) struct JetsMPITests {
    private func loader(_ dataset: JetDataset, batchSize: Int = 257) throws -> JetLoader {
        JetLoader(
            dataset: dataset, preprocessing: try QuantilePreprocessingTests.even(),
            order: .init(batchSize: batchSize, seed: 4, windowBlocks: 3))
    }

    /// The batches of all ranks together visit each jet once and are bit-identical to the batches of a single rank.
    @Test func anEpochIsTheSameForAnyNumberOfRanks() throws {
        let paths = [sample("val"), sample("test")]
        let mine = try loader(try JetDataset(paths: paths, reading: .withEmptyJets, on: world))
        let single = try loader(try JetDataset(paths: paths, reading: .withEmptyJets, on: .selfOnly))
        #expect(mine.size == world.size && single.size == 1)
        var visited: [Int] = []
        for step in 0..<mine.stepsPerEpoch {
            let part = try mine.batch(epoch: 1, step: step)
            let jets = try world.allGather(part.jets).flatMap { $0 }
            visited += jets
            if step % 3 == 0 || step == mine.stepsPerEpoch - 1 {
                let values = try world.allGather(part.values.array).flatMap { $0 }
                let labels = try world.allGather(part.labels).flatMap { $0 }
                let identities = try world.allGather(part.identities).flatMap { $0 }
                let whole = try single.batch(epoch: 1, step: step)
                #expect(jets == whole.jets && labels == whole.labels && identities == whole.identities)
                #expect(values == whole.values.array)
            }
        }
        #expect(visited.count == 2000)
        #expect(visited.sorted() == Array(0..<2000))
    }

    /// Ranks that read whole blocks have the jets of the batch of a single rank together, each with the same values.
    @Test func blocksMakeTheSameBatches() throws {
        let dataset = try JetDataset(paths: [sample("val"), sample("test")], reading: .withEmptyJets, on: world)
        func loader(_ portion: JetLoader.Portion, rank: Int, of size: Int) throws -> JetLoader {
            JetLoader(
                dataset: dataset, preprocessing: try QuantilePreprocessingTests.even(),
                order: .init(batchSize: 257, seed: 4, windowBlocks: 1), portion: portion, rank: rank, size: size)
        }
        let (mine, single) = (
            try loader(.blocks, rank: world.rank, of: world.size), try loader(.share, rank: 0, of: 1)
        )
        var blocks = Set<Int>()
        for step in 0..<mine.stepsPerEpoch {
            let (part, whole) = (try mine.batch(epoch: 1, step: step), try single.batch(epoch: 1, step: step))
            let jets = try world.allGather(part.jets).flatMap { $0 }
            #expect(jets.sorted() == whole.jets.sorted())
            blocks.formUnion(part.jets.map(dataset.layout.block(ofJet:)))
            for (position, jet) in part.jets.enumerated() {
                let other = whole.jets.firstIndex(of: jet)!
                #expect(part.values.rows(part.offsets[position]).array == whole.values.rows(whole.offsets[other]).array)
                #expect(part.labels[position] == whole.labels[other])
            }
        }
        let read = try world.allGather(Array(blocks)).flatMap { $0 }
        #expect(read.sorted() == Array(0..<dataset.blockCount))
    }

    /// A choice of jets and its epochs are the same as on a single rank.
    @Test(arguments: [
        JetChoice(classes: ["Hbb", "QCD"]), JetChoice(jets: 37, seed: 2),
        JetChoice(classes: ["Wqq", "Zqq", "Tbl"], jets: 500, seed: 3),
    ])
    func aChoiceIsTheSameForAnyNumberOfRanks(choice: JetChoice) throws {
        func dataset(on communicator: Communicator) throws -> JetDataset {
            try JetDataset(
                paths: [sample("val"), sample("test")], reading: .withEmptyJets, choice: choice, on: communicator)
        }
        let (mine, single) = (try dataset(on: world), try dataset(on: .selfOnly))
        #expect(mine.numbering == single.numbering)
        #expect(try mine.constituentCount() == single.constituentCount())
        let loader = try loader(mine, batchSize: 36)
        var visited: [Int] = []
        for step in 0..<loader.stepsPerEpoch {
            visited += try world.allGather(try loader.batch(epoch: 0, step: step).jets).flatMap { $0 }
        }
        #expect(visited.count == mine.count && Set(visited).count == mine.count)
    }

    /// With files of unequal length and a last batch of one jet, no jet is lost or repeated.
    @Test func unequalFilesAndARankWithoutJets() throws {
        let folder = try world.broadcast(
            FileManager.default.temporaryDirectory.appendingPathComponent("kaon-\(UUID().uuidString)").path)
        _ = try world.onRoot {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (number, jets) in [25, 1, 130, 7, 64].enumerated() {
                let path = "\(folder)/\(number).h5"
                let fixture = JetFixture(jets: jets)
                if number % 2 == 0 { try fixture.writePacked(to: path) } else { try fixture.write(to: path) }
            }
        }
        let dataset = try JetDataset(paths: [folder + "/*.h5"], reading: .withEmptyJets, on: world)
        #expect(dataset.count == 227)
        for batchSize in [226, 113, 10] {
            let loader = JetLoader(
                dataset: dataset, preprocessing: RawPreprocessing(),
                order: .init(batchSize: batchSize, seed: 4, windowBlocks: 2))
            for epoch in 0..<2 {
                var visited: [Int] = []
                for step in 0..<loader.stepsPerEpoch {
                    let batch = try loader.batch(epoch: epoch, step: step)
                    // The first feature of jet j of a file is 100 j.
                    for (jet, tokens) in zip(batch.jets, (0..<batch.count).map { batch.offsets[$0] })
                    where !tokens.isEmpty {
                        #expect(
                            batch.values.array[tokens.lowerBound * 7]
                                == Float(100 * dataset.place(ofJet: jet).row + 99))
                    }
                    visited += try world.allGather(batch.jets).flatMap { $0 }
                }
                #expect(visited.sorted() == Array(0..<227))
            }
        }
        try world.barrier()
        _ = try world.onRoot { try FileManager.default.removeItem(atPath: folder) }
    }

    @Test(arguments: [(1_000_000, 4_000_000), (1, 4_000_000), (1_000_000, 10_000)])
    func aFitIsTheSameForAnyNumberOfRanks(jets: Int, valuesPerFeature: Int) throws {
        func fit(on communicator: Communicator) throws -> QuantilePreprocessing {
            try QuantilePreprocessing.fit(
                try JetDataset(paths: [sample("val"), sample("test")], reading: .withEmptyJets, on: communicator),
                jets: jets,
                valuesPerFeature: valuesPerFeature, seed: 3, on: communicator)
        }
        let (shared, single) = (try fit(on: world), try fit(on: .selfOnly))
        #expect(shared.quantiles.map(\.bitPattern) == single.quantiles.map(\.bitPattern))
    }

    @Test(arguments: [(1_000_000, 4_000_000), (1, 4_000_000), (1_000_000, 10_000)])
    func aStandardFitIsTheSameForAnyNumberOfRanks(jets: Int, valuesPerFeature: Int) throws {
        func fit(on communicator: Communicator) throws -> StandardPreprocessing {
            try StandardPreprocessing.fit(
                try JetDataset(paths: [sample("val"), sample("test")], reading: .withEmptyJets, on: communicator),
                jets: jets,
                valuesPerFeature: valuesPerFeature, seed: 3, on: communicator)
        }
        #expect(try fit(on: world) == fit(on: .selfOnly))
    }

    /// Bins do not depend on the distribution of the values over the ranks.
    @Test(arguments: FeatureBins.Spacing.allCases)
    func binsAreTheSameForAnyNumberOfRanks(spacing: FeatureBins.Spacing) throws {
        var random = RandomSequence(RandomKey(seed: 1, stream: .sampling))
        let values = Tensor((0..<3000).map { _ in random.normal() }, shape: [1000, 3])
        let cuts = (0...world.size).map { $0 == world.size ? 1000 : $0 * 300 / world.size }
        let mine = values.rows(cuts[world.rank]..<cuts[world.rank + 1])
        #expect(
            try FeatureBins.fit(mine, bins: 17, spacing: spacing, on: world)
                == FeatureBins.fit(values, bins: 17, spacing: spacing, on: .selfOnly))
    }

    /// Prefetch threads read while the ranks communicate.
    @Test func prefetchingRunsBesideCollectives() throws {
        let dataset = try JetDataset(paths: [sample("val"), sample("test")], reading: .withEmptyJets, on: world)
        let loader = try loader(dataset, batchSize: 100)
        let prefetcher = loader.prefetcher()
        var labels = 0
        for step in 0..<loader.stepsPerEpoch {
            let next = step + 1 < loader.stepsPerEpoch ? step + 1 : 0
            let batch = try prefetcher.value(
                for: .init(epoch: 0, step: step), thenPreparing: .init(epoch: 0, step: next))
            for _ in 0..<20 { _ = try world.allReduce([Float](repeating: 1, count: 1000)) }
            labels += batch.labels.reduce(0) { $0 + Int($1) }
        }
        var expected = 0
        for block in 0..<dataset.blockCount {
            expected += try dataset.read(block: block).labels.reduce(0) { $0 + Int($1) }
        }
        #expect(try world.allReduce(labels) == expected)
        try world.barrier()
    }

    @Test func everyRankLearnsWhatIsWrongWithAFile() throws {
        let path = try world.broadcast(
            FileManager.default.temporaryDirectory.appendingPathComponent("kaon-\(UUID().uuidString).h5").path
        )
        var fixture = JetFixture(jets: 30)
        fixture.missing = ["mask"]
        _ = try world.onRoot { try fixture.write(to: path) }
        let message = failure { _ = try JetDataset(paths: [sample("val"), path], reading: .withEmptyJets, on: world) }
        #expect(message.hasPrefix("dataset /mask is missing in \(path)"))
        #expect(try world.allGather(message) == [String](repeating: message, count: world.size))

        // An error in a row that a single rank reads is thrown on all ranks.
        fixture.missing = []
        fixture.labels[29] = 99
        _ = try world.onRoot { try fixture.write(to: path) }
        let loader = JetLoader(
            dataset: try JetDataset(paths: [path], reading: .withEmptyJets, on: world),
            preprocessing: RawPreprocessing(),
            order: .init(batchSize: 30, seed: 1, shuffle: false))
        let fault = failure {
            _ = try world.agree { try loader.prefetcher().value(for: .init(epoch: 0, step: 0)) }
        }
        #expect(fault.contains("\(path): /labels, row 29 is 99"))
        #expect(try world.allGather(fault) == [String](repeating: fault, count: world.size))
        let error = failure { _ = try QuantilePreprocessing.fit(loader.dataset, on: world) }
        #expect(error.contains("row 29 is 99"))
        _ = try world.onRoot { try FileManager.default.removeItem(atPath: path) }
    }

    /// The ranks inspect different files and learn the same of all of them.
    @Test func theRanksShareTheInspection() throws {
        let folder = try world.broadcast(
            FileManager.default.temporaryDirectory.appendingPathComponent("kaon-\(UUID().uuidString)").path)
        let files = 8 * world.size + 1
        func path(_ number: Int) -> String { "\(folder)/\(100 + number).h5" }
        _ = try world.onRoot {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for number in 0..<files { try JetFixture(jets: 1 + number, minimum: 1).writePacked(to: path(number)) }
        }
        let (mine, single) = (
            try JetDataset(paths: [folder], reading: .withEmptyJets, on: world),
            try JetDataset(paths: [folder], reading: .withEmptyJets, on: .selfOnly)
        )
        #expect(mine.paths == single.paths && mine.numbering == single.numbering && mine.features == single.features)
        #expect(mine.count == files * (files + 1) / 2 && mine.classNames == ["QCD", "top", "W"])

        func agreedFailure(_ change: () throws -> Void) throws -> String {
            try world.barrier()
            _ = try world.onRoot { try change() }
            let message = failure { _ = try JetDataset(paths: [folder], reading: .withEmptyJets, on: world) }
            #expect(try world.allGather(message) == [String](repeating: message, count: world.size))
            return message
        }
        // A file of the last rank does not fit to the first file, which rank 0 has inspected.
        let other = try agreedFailure {
            var fixture = JetFixture(jets: 2, minimum: 1)
            fixture.classNames = ["QCD", "W", "top"]
            try fixture.writePacked(to: path(files - 1))
        }
        #expect(other.hasPrefix("the classes in \(path(files - 1)) (QCD, W, top) are not those in \(path(0))"))
        // Of several files that cannot be used, the first one is named, with the rank that has inspected it.
        let broken = try agreedFailure {
            for number in [files - 1, files - 2] {
                try "no file".write(toFile: path(number), atomically: true, encoding: .utf8)
            }
        }
        let rank = (files - 2) / ((files + world.size - 1) / world.size)
        #expect(broken.hasPrefix((rank == 0 ? "" : "rank \(rank): ") + "HDF5 open \(path(files - 2))"), "\(broken)")
        try world.barrier()
        _ = try world.onRoot { try FileManager.default.removeItem(atPath: folder) }
    }
}

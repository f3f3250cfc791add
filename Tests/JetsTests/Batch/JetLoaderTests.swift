import Jets
import TestSupport
import Testing

@Suite struct JetLoaderTests {
    private func loader(
        _ dataset: JetDataset, batchSize: Int = 300, shuffle: Bool = true, rank: Int = 0, size: Int = 1
    ) throws -> JetLoader {
        JetLoader(
            dataset: dataset, preprocessing: try QuantilePreprocessingTests.even(),
            order: .init(batchSize: batchSize, seed: 4, shuffle: shuffle, windowBlocks: 3), rank: rank, size: size)
    }

    @Test func aBatchHoldsItsJets() throws {
        let dataset = try JetDataset(paths: [sample("val"), sample("test")], reading: .withEmptyJets, on: alone)
        let raw = JetLoader(
            dataset: dataset, preprocessing: RawPreprocessing(), order: .init(batchSize: 300, seed: 4))
        let batch = try raw.batch(epoch: 2, step: 3)
        #expect(batch.jets == raw.order.jets(epoch: 2, step: 3) && batch.count == 300 && batch.epoch == 2)
        #expect(batch.values.shape == [batch.tokenCount, 7] && batch.offsets.tokens == batch.tokenCount)
        for (position, jet) in batch.jets.enumerated() {
            let number = dataset.layout.block(ofJet: jet)
            let block = try raw.dataset.read(block: number)
            let row = jet - dataset.layout.jets(ofBlock: number).lowerBound
            let stored = block.offsets[row]
            let tokens = batch.offsets[position]
            #expect(batch.labels[position] == block.labels[row])
            #expect(
                Array(batch.values.rows(tokens).array)
                    == Array(block.values[stored.lowerBound * 7..<stored.upperBound * 7]))
            #expect(batch.identities[tokens].map { UInt8($0) } == Array(block.identities[stored]))
            if position == 10 { break }
        }
    }

    /// The concatenated parts of 2, 3 and 8 ranks are bit-identical to the batch of a single rank.
    @Test(arguments: [2, 3, 8])
    func theBatchIsTheSameForAnyNumberOfRanks(size: Int) throws {
        let dataset = try JetDataset(paths: [sample("val"), sample("test")], reading: .withEmptyJets, on: alone)
        let one = try loader(dataset)
        let parts = try (0..<size).map { try loader(dataset, rank: $0, size: size) }
        for step in [0, 3, one.stepsPerEpoch - 1] {
            let whole = try one.batch(epoch: 1, step: step)
            let batches = try parts.map { try $0.batch(epoch: 1, step: step) }
            #expect(batches.flatMap(\.jets) == whole.jets)
            #expect(batches.flatMap(\.labels) == whole.labels)
            #expect(batches.flatMap(\.identities) == whole.identities)
            #expect(batches.flatMap(\.values.array) == whole.values.array)
        }
    }

    @Test func ranksMayGoEmpty() throws {
        let dataset = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, jets: 302, on: alone)
        let counts = try (0..<3).map { try loader(dataset, rank: $0, size: 3).batch(epoch: 0, step: 1).count }
        #expect(counts == [0, 1, 1])
        let empty = try loader(dataset, rank: 0, size: 3).batch(epoch: 0, step: 1)
        #expect(empty.values.shape == [0, 7] && empty.offsets.values == [0] && empty.labels.isEmpty)
    }

    @Test func anyStepMayBeAskedForAtAnyTime() throws {
        let dataset = try JetDataset(paths: [sample("val"), sample("test")], reading: .withEmptyJets, on: alone)
        let straight = try loader(dataset)
        let values = try (0..<straight.stepsPerEpoch).map {
            try straight.batch(epoch: 0, step: $0).values.array
        }
        let resumed = try loader(dataset)
        for step in [6, 3, 5] {
            #expect(try resumed.batch(epoch: 0, step: step).values.array == values[step])
        }
    }

    @Test func slicesAreMicroBatches() throws {
        let dataset = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, on: alone)
        let batch = try loader(dataset, shuffle: false).batch(epoch: 0, step: 0)
        let slices = [0..<128, 128..<128, 128..<256, 256..<300].map { batch.slice(jets: $0) }
        #expect(slices.map(\.count) == [128, 0, 128, 44] && slices[1].tokenCount == 0)
        #expect(slices.flatMap(\.values.array) == batch.values.array)
        #expect(slices.flatMap(\.identities) == batch.identities)
        #expect(slices.allSatisfy { $0.offsets.values[0] == 0 && $0.offsets.tokens == $0.tokenCount })
    }

    @Test func withoutShufflingEveryEpochIsTheSame() throws {
        let dataset = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, on: alone)
        let loader = try loader(dataset, shuffle: false)
        #expect(loader.stepsPerEpoch == 4)
        #expect(try loader.batch(epoch: 0, step: 3).jets == Array(900..<1000))
        #expect(try loader.batch(epoch: 5, step: 3).jets == Array(900..<1000))
    }

    @Test func emptyJetsAreKept() throws {
        try withScratchFile { path in
            try JetFixture(jets: 21).write(to: path)
            let dataset = try JetDataset(paths: [path], reading: .withEmptyJets, on: alone)
            let batch = try loader(dataset, shuffle: false).batch(epoch: 0, step: 0)
            #expect(batch.count == 21 && (0..<21).allSatisfy { batch.offsets[$0].count == $0 % 7 })
        }
    }

    @Test func faultsNameFileAndRow() throws {
        var fixture = JetFixture(jets: 30)
        fixture.labels[17] = 99
        try withScratchFile("jets.h5") { path in
            try fixture.write(to: path)
            let good = path.replacing("jets.h5", with: "good.h5")
            try JetFixture(jets: 30).write(to: good)
            let dataset = try JetDataset(paths: [good, path], reading: .withEmptyJets, on: alone)
            let prefetcher = try loader(dataset, batchSize: 30, shuffle: false).prefetcher()
            _ = try prefetcher.value(for: .init(epoch: 0, step: 0), thenPreparing: .init(epoch: 0, step: 1))
            let message = failure { _ = try prefetcher.value(for: .init(epoch: 0, step: 1)) }
            #expect(
                message.hasPrefix(
                    "step 1 of epoch 0: \(path): /labels, row 17 is 99, but the file names"))
        }
    }
}

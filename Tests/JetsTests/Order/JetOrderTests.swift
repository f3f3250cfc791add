import Jets
import MPI
import Testing

extension JetOrder {
    /// The order of all jets of a layout.
    fileprivate init(layout: BlockLayout, windowBlocks: Int = 64, batchSize: Int, seed: UInt64, shuffle: Bool) {
        self.init(
            JetNumbering(layout: layout),
            .init(batchSize: batchSize, seed: seed, shuffle: shuffle, windowBlocks: windowBlocks))
    }

    /// The order of `count` jets in one file.
    fileprivate init(
        count: Int, blockRows: Int, windowBlocks: Int = 64, batchSize: Int, seed: UInt64, shuffle: Bool
    ) {
        self.init(
            layout: BlockLayout(fileLengths: [count], blockRows: blockRows), windowBlocks: windowBlocks,
            batchSize: batchSize, seed: seed, shuffle: shuffle)
    }
}

@Suite struct JetOrderTests {
    static let layouts = [
        BlockLayout(fileLengths: [1000], blockRows: 10),
        BlockLayout(fileLengths: [1003], blockRows: 10),
        BlockLayout(fileLengths: [7], blockRows: 10),
        BlockLayout(fileLengths: [1], blockRows: 10),
        BlockLayout(fileLengths: [95, 0, 3, 210, 17, 0], blockRows: 10),
        BlockLayout(fileLengths: [Int](repeating: 1, count: 300), blockRows: 10),
    ]

    /// The blocks that a rank reads during a window fit into its cache.
    @Test(arguments: [(ranks: 1, batch: 50), (8, 128), (64, 1000), (512, 1000)])
    func theShareOfARankOfAWindowFitsIntoItsCache(ranks: Int, batch: Int) {
        let order = JetOrder(count: 64_000, blockRows: 1000, batchSize: batch, seed: 3, shuffle: true)
        let kept = JetLoader.cachedBlocks(order.options, .share, ranks: ranks)
        #expect(kept <= 68 && (ranks == 1 || kept < 40))
        var read = [Set<Int>](repeating: [], count: ranks)
        for step in 0..<order.stepsPerEpoch {
            let jets = order.jets(epoch: 0, step: step)
            for rank in 0..<ranks {
                for place in Communicator.share(of: jets.count, rank: rank, size: ranks) {
                    read[rank].insert(order.layout.block(ofJet: jets[place]))
                }
            }
        }
        // A few jets of all batches may be farther away: their blocks are read again.
        let most = read.map(\.count).max()!
        #expect(most <= kept + 4, "\(most) blocks, and \(kept) are kept")
    }

    /// Ranks that read whole blocks have all jets of each batch, and each block is read by one of them.
    @Test(arguments: [(ranks: 2, batch: 50), (7, 128), (512, 1000)])
    func blocksBelongToOneRank(ranks: Int, batch: Int) {
        let order = JetOrder(
            layout: BlockLayout(fileLengths: [40_500, 7, 90_000], blockRows: 1000), batchSize: batch, seed: 3,
            shuffle: true)
        let kept = JetLoader.cachedBlocks(order.options, .blocks, ranks: ranks)
        var readers: [Int: Set<Int>] = [:]
        for step in stride(from: 0, to: order.stepsPerEpoch, by: 5) {
            var jets: [Int] = []
            for rank in 0..<ranks {
                let own = order.jets(epoch: 2, step: step) { $0 % ranks == rank }
                let blocks = Set(own.map(order.layout.block(ofJet:)))
                #expect(blocks.count <= kept)
                for block in blocks { readers[block, default: []].insert(rank) }
                jets += own
            }
            #expect(jets.sorted() == order.jets(epoch: 2, step: step).sorted())
        }
        #expect(readers.values.allSatisfy { $0.count == 1 })
        let blocksOfRanks = Dictionary(grouping: readers.values, by: { $0.first! }).map(\.value.count)
        #expect(blocksOfRanks.max()! <= order.layout.blockCount / ranks + 1)
    }

    @Test(arguments: layouts, [true, false])
    func anEpochVisitsEveryJetOnce(layout: BlockLayout, shuffle: Bool) {
        for (windowBlocks, batchSize) in [(1, 7), (4, 64), (64, 100), (1000, 5000)] {
            let order = JetOrder(
                layout: layout, windowBlocks: windowBlocks, batchSize: batchSize, seed: 5, shuffle: shuffle)
            for epoch in 0..<2 {
                let batches = (0..<order.stepsPerEpoch).map { order.jets(epoch: epoch, step: $0) }
                #expect(batches.joined().sorted() == Array(0..<layout.count))
                #expect(batches.dropLast().allSatisfy { $0.count == batchSize })
                #expect(batches.indices.allSatisfy { batches[$0].count == order.batchCount(step: $0) })
            }
        }
    }

    @Test func seedsAndEpochsDiffer() {
        func jets(seed: UInt64, epoch: Int) -> [Int] {
            JetOrder(count: 1000, blockRows: 10, windowBlocks: 8, batchSize: 50, seed: seed, shuffle: true)
                .jets(epoch: epoch, step: 3)
        }
        #expect(jets(seed: 1, epoch: 0) == jets(seed: 1, epoch: 0))
        #expect(Set([jets(seed: 1, epoch: 0), jets(seed: 2, epoch: 0), jets(seed: 1, epoch: 1)]).count == 3)
    }

    @Test func withoutShufflingJetsComeInTheOrderOfTheFiles() {
        let order = JetOrder(count: 25, blockRows: 10, batchSize: 10, seed: 1, shuffle: false)
        #expect(order.stepsPerEpoch == 3)
        #expect(order.jets(epoch: 7, step: 2) == Array(20..<25))
    }

    /// The jets of each block are contiguous in a batch, with rising rows, so that a rank reads few blocks.
    @Test func aBatchIsInTheOrderOfStorage() {
        let order = JetOrder(
            count: 10_003, blockRows: 100, windowBlocks: 16, batchSize: 300, seed: 9, shuffle: true)
        for step in 0..<order.stepsPerEpoch {
            let jets = order.jets(epoch: 0, step: step)
            var seen: [Int] = []
            for (index, jet) in jets.enumerated() {
                let block = order.layout.block(ofJet: jet)
                if block == seen.last {
                    #expect(jets[index - 1] < jet)
                } else {
                    #expect(!seen.contains(block))
                    seen.append(block)
                }
            }
            #expect(seen.count <= 2 * order.windowBlocks)
        }
    }

    /// The order of 10⁸ jets needs no more memory than that of 1000; one of 64 ranks reads few blocks for a batch.
    @Test func longEpochsNeedNoMemory() {
        let order = JetOrder(count: 100_000_037, blockRows: 1000, batchSize: 1024, seed: 3, shuffle: true)
        #expect(order.stepsPerEpoch == 97_657)
        for step in [0, 1, 40_000, 97_655, 97_656] {
            let jets = order.jets(epoch: 2, step: step)
            #expect(Set(jets).count == min(1024, 100_000_037 - 1024 * step))
            #expect(jets.allSatisfy { (0..<100_000_037).contains($0) })
        }
        let jets = order.jets(epoch: 2, step: 40_000)
        let blocks = (0..<64).map { rank in
            Set(jets[Communicator.share(of: 1024, rank: rank, size: 64)].map { order.layout.block(ofJet: $0) })
                .count
        }
        #expect(blocks.max()! <= 4)
        #expect(Set(jets.map { order.layout.block(ofJet: $0) }).count > 32)
    }

    /// No jet is lost or repeated around the short blocks at the ends of files.
    @Test func twoStepsOfALongEpochShareNoJet() {
        let layout = BlockLayout(fileLengths: [Int](repeating: 123_457, count: 40), blockRows: 1000)
        let order = JetOrder(layout: layout, windowBlocks: 3, batchSize: 2000, seed: 3, shuffle: true)
        var seen = Set<Int>()
        for step in 700..<760 { seen.formUnion(order.jets(epoch: 1, step: step)) }
        #expect(seen.count == 60 * 2000)
    }

    @Test(arguments: [0, 1, 7, 1000], [1, 2, 3, 8])
    func sharesCoverABatch(count: Int, size: Int) {
        let shares = (0..<size).map { Communicator.share(of: count, rank: $0, size: size) }
        #expect(shares.flatMap { Array($0) } == Array(0..<count))
        #expect(shares.map(\.count).max()! - shares.map(\.count).min()! <= 1)
    }
}

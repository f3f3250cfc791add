import Synchronization
import System
import Tensors

/// Which jets make up a batch: a pure function of the seed, the epoch and the step, in constant memory, for
/// any number of ranks.
///
/// An epoch permutes the blocks of the files. `windowBlocks` consecutive permuted blocks are a window, whose
/// jets are permuted among each other; the windows one after the other are the sequence that the batches are
/// cut from, so every jet comes once an epoch and the last batch may be short. Inside a batch the jets stand
/// in the order of storage (window, block, row): a rank that takes a contiguous share of the batch touches
/// only its share of the blocks.
///
/// Where a selection restricts the jets, the same holds for the blocks that have any and the jets in them.
package struct JetOrder: Sendable {
    /// The jets that are used and the blocks that hold them.
    package let numbering: JetNumbering
    /// The number of blocks whose jets are mixed.
    package let windowBlocks: Int
    /// The number of jets in all but the last batch of an epoch.
    package let batchSize: Int
    /// The seed of the shuffling.
    package let seed: UInt64
    /// Whether jets are shuffled, or come in the order of the files.
    package let shuffle: Bool
    private let memo = EpochMemo()

    /// The order of jets in batches of `batchSize`.
    package init(
        _ numbering: JetNumbering, windowBlocks: Int = 64, batchSize: Int, seed: UInt64, shuffle: Bool
    ) {
        invariant(windowBlocks > 0, "windows of \(windowBlocks) blocks")
        invariant(batchSize > 0, "batches of \(batchSize) jets")
        self.numbering = numbering
        self.windowBlocks = windowBlocks
        self.batchSize = batchSize
        self.seed = seed
        self.shuffle = shuffle
    }

    /// The order of all jets of a layout.
    package init(layout: BlockLayout, windowBlocks: Int = 64, batchSize: Int, seed: UInt64, shuffle: Bool) {
        self.init(
            JetNumbering(layout: layout), windowBlocks: windowBlocks, batchSize: batchSize, seed: seed,
            shuffle: shuffle)
    }

    /// The order of `count` jets in one file.
    package init(
        count: Int, blockRows: Int, windowBlocks: Int = 64, batchSize: Int, seed: UInt64, shuffle: Bool
    ) {
        self.init(
            layout: BlockLayout(fileLengths: [count], blockRows: blockRows), windowBlocks: windowBlocks,
            batchSize: batchSize, seed: seed, shuffle: shuffle)
    }

    /// The numbering of all jets.
    package var layout: BlockLayout { numbering.layout }
    /// The number of jets that are used.
    package var count: Int { numbering.count }
    /// The number of batches that visit every jet once.
    package var stepsPerEpoch: Int { (count + batchSize - 1) / batchSize }

    /// The number of jets in batch `step` of an epoch.
    package func batchCount(step: Int) -> Int { positions(step: step).count }

    /// The global indices of the jets of batch `step` (below `stepsPerEpoch`) of an epoch.
    package func jets(epoch: Int, step: Int) -> [Int] {
        let positions = positions(step: step)
        guard shuffle else { return numbering.jets(positions) }
        let epoch = memo.order(of: epoch) {
            EpochOrder(numbering: numbering, windowBlocks: windowBlocks, seed: seed, epoch: epoch)
        }
        var jets: [Int] = []
        jets.reserveCapacity(positions.count)
        var position = positions.lowerBound
        var window = epoch.window(ofPosition: position)
        while position < positions.upperBound {
            let range = epoch.positions(ofWindow: window)
            let end = min(range.upperBound, positions.upperBound)
            epoch.appendJets(
                ofWindow: window, positions: position - range.lowerBound..<end - range.lowerBound,
                count: range.count, to: &jets)
            position = end
            window += 1
        }
        return jets
    }

    private func positions(step: Int) -> Range<Int> {
        invariant(step >= 0 && step < stepsPerEpoch, "step \(step) is outside 0..<\(stepsPerEpoch)")
        return step * batchSize..<min((step + 1) * batchSize, count)
    }
}

/// The order of the epoch that was asked for last, which takes a moment to find where many blocks are short.
private final class EpochMemo: Sendable {
    private let last = Mutex<EpochOrder?>(nil)

    func order(of epoch: Int, make: () -> EpochOrder) -> EpochOrder {
        last.withLock { last in
            if let last, last.epoch == epoch { return last }
            let order = make()
            last = order
            return order
        }
    }
}

/// The shuffling of one epoch. Slot s holds the block at index `blocks[s]`; window w is the slots from
/// w · windowBlocks on.
private struct EpochOrder {
    let numbering: JetNumbering
    let windowBlocks: Int
    let seed: UInt64
    let epoch: Int
    let blocks: Permutation
    let shortSlots: [Int]  // of the short blocks, rising
    let missing: [Int]  // jets that the short blocks before each of them lack, and in all

    init(numbering: JetNumbering, windowBlocks: Int, seed: UInt64, epoch: Int) {
        self.numbering = numbering
        self.windowBlocks = windowBlocks
        self.seed = seed
        self.epoch = epoch
        let blocks = Permutation(
            count: numbering.blockCount, key: Self.key(seed: seed, epoch: epoch, number: 0))
        let short = numbering.shortBlocks
            .map { (slot: blocks.position(of: $0.index), missing: $0.missing) }
            .sorted { $0.slot < $1.slot }
        self.blocks = blocks
        shortSlots = short.map(\.slot)
        missing = short.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.missing) }
    }

    /// The key of permutation `number`: 0 permutes the blocks, w + 1 the jets of window w.
    static func key(seed: UInt64, epoch: Int, number: Int) -> UInt64 {
        var sequence = RandomSequence(RandomKey(seed: seed, stream: .order, epoch: epoch, jet: number))
        return sequence.next()
    }

    /// The position in the epoch's sequence at which a window begins.
    func start(ofWindow window: Int) -> Int {
        let slots = min(window * windowBlocks, blocks.count)
        var (low, high) = (0, shortSlots.count)
        while low < high {
            let middle = (low + high) / 2
            if shortSlots[middle] < slots { low = middle + 1 } else { high = middle }
        }
        return slots * numbering.layout.blockRows - missing[low]
    }

    func positions(ofWindow window: Int) -> Range<Int> {
        start(ofWindow: window)..<start(ofWindow: window + 1)
    }

    func window(ofPosition position: Int) -> Int {
        var (low, high) = (0, (blocks.count + windowBlocks - 1) / windowBlocks)
        while high - low > 1 {
            let middle = (low + high) / 2
            if start(ofWindow: middle) <= position { low = middle } else { high = middle }
        }
        return low
    }

    /// Appends the jets at `positions` of a window of `count` jets, in the order of storage.
    func appendJets(ofWindow window: Int, positions: Range<Int>, count: Int, to jets: inout [Int]) {
        let permutation = Permutation(
            count: count, key: Self.key(seed: seed, epoch: epoch, number: window + 1))
        var slot = window * windowBlocks
        var block = numbering.jets(at: blocks[slot])
        var blockStart = 0
        for row in positions.map({ permutation[$0] }).sorted() {
            while row - blockStart >= block.count {
                blockStart += block.count
                slot += 1
                block = numbering.jets(at: blocks[slot])
            }
            jets.append(block[row - blockStart])
        }
    }
}

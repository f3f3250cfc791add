import Synchronization
import System
import Tensors

/// The jets of each batch: a pure function of the seed, the epoch and the step, in constant memory, for any number of
/// ranks.
///
/// An epoch permutes the blocks of the files. `windowBlocks` consecutive permuted blocks are a window, whose jets are
/// permuted among each other; batches are cut from the concatenated windows. So every jet comes once an epoch, and the
/// last batch may be short. Within a batch, jets are in the order of storage (window, block, row).
///
/// With a selection of jets, the same holds for the blocks that contain selected jets and the selected jets in them.
package struct JetOrder: Sendable {
    /// The parameters of an order.
    package struct Options: Sendable, Equatable {
        /// Jets of a global batch; the last batch of an epoch may have fewer.
        package var batchSize: Int
        package var seed: UInt64
        /// True if jets are shuffled; otherwise they come in the order of the files.
        package var shuffle: Bool
        /// Blocks whose jets are permuted among each other.
        package var windowBlocks: Int

        package init(batchSize: Int, seed: UInt64, shuffle: Bool = true, windowBlocks: Int = 64) {
            self.batchSize = batchSize
            self.seed = seed
            self.shuffle = shuffle
            self.windowBlocks = windowBlocks
        }
    }

    /// The jets in use and the blocks that contain them.
    package let numbering: JetNumbering
    package let options: Options
    private let memo = EpochMemo()

    package init(_ numbering: JetNumbering, _ options: Options) {
        invariant(options.windowBlocks > 0, "windows of \(options.windowBlocks) blocks")
        invariant(options.batchSize > 0, "batches of \(options.batchSize) jets")
        self.numbering = numbering
        self.options = options
    }

    package var batchSize: Int { options.batchSize }
    package var seed: UInt64 { options.seed }
    package var shuffle: Bool { options.shuffle }
    package var windowBlocks: Int { options.windowBlocks }
    /// The numbering of all jets, used or not.
    package var layout: BlockLayout { numbering.layout }
    /// The number of jets in use.
    package var count: Int { numbering.count }
    /// The number of batches in an epoch.
    package var stepsPerEpoch: Int { (count + batchSize - 1) / batchSize }

    /// The number of jets in batch `step` of an epoch.
    package func batchCount(step: Int) -> Int { positions(step: step).count }

    /// The global indices of the jets of batch `step` (below `stepsPerEpoch`) of an epoch.
    ///
    /// - Parameter isOwn: true for the slots whose jets are returned, the positions of blocks in the permutation of the
    ///   epoch; without shuffling, all jets are returned.
    package func jets(epoch: Int, step: Int, ofSlots isOwn: (_ slot: Int) -> Bool = { _ in true }) -> [Int] {
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
                count: range.count, ofSlots: isOwn, to: &jets)
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

/// The most recently used order of an epoch. Constructing one takes time if many blocks are short.
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

/// The order of one epoch. Slot s contains the block at index `blocks[s]`; window w consists of the `windowBlocks`
/// slots from w · windowBlocks on.
private struct EpochOrder {
    let numbering: JetNumbering
    let windowBlocks: Int
    let seed: UInt64
    let epoch: Int
    let blocks: Permutation
    /// The slots of the short blocks, rising.
    let shortSlots: [Int]
    /// The number of jets missing in the short blocks before each of them, and the total.
    let missing: [Int]

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

    /// The position of the first jet of a window in the epoch.
    func start(ofWindow window: Int) -> Int {
        let slots = min(window * windowBlocks, blocks.count)
        return slots * numbering.layout.blockRows - missing[shortSlots.lowerBound(of: slots)]
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

    /// Appends the jets of some slots at `positions` of a window with `count` jets, in the order of storage.
    func appendJets(
        ofWindow window: Int, positions: Range<Int>, count: Int, ofSlots isOwn: (Int) -> Bool, to jets: inout [Int]
    ) {
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
            if isOwn(slot) { jets.append(block[row - blockStart]) }
        }
    }
}

import System

/// A subset of the jets of a layout: one bit for each jet of the blocks that contain a selected one.
package struct JetSelection: Sendable, Equatable {
    /// The number of selected jets.
    package var count: Int { starts[blocks.count] }
    /// The blocks that contain selected jets, rising.
    package let blocks: [Int]
    /// The number of selected jets before each of the blocks, and the total.
    private let starts: [Int]
    private let bits: [UInt64]
    private let wordsPerBlock: Int

    /// The number of words for the bits of a block: row r is bit r mod 64 of word r / 64.
    static func wordsPerBlock(of layout: BlockLayout) -> Int { (layout.blockRows + 63) / 64 }

    /// The jets whose bits are set in the given blocks, which rise and each contain a selected jet.
    init(blocks: [Int], bits: [UInt64], of layout: BlockLayout) {
        wordsPerBlock = Self.wordsPerBlock(of: layout)
        invariant(bits.count == blocks.count * wordsPerBlock, "the bits do not fit the blocks")
        self.blocks = blocks
        self.bits = bits
        var starts = [0]
        for block in blocks.indices {
            let words = bits[block * wordsPerBlock..<(block + 1) * wordsPerBlock]
            starts.append(starts[block] + words.reduce(0) { $0 + $1.nonzeroBitCount })
        }
        self.starts = starts
    }

    /// The number of selected jets in the block at `index` of `blocks`.
    func count(at index: Int) -> Int { starts[index + 1] - starts[index] }

    /// The rows of the selected jets in the block at `index` of `blocks`, rising.
    func rows(at index: Int) -> [Int] {
        var rows: [Int] = []
        rows.reserveCapacity(count(at: index))
        for word in 0..<wordsPerBlock {
            var left = bits[index * wordsPerBlock + word]
            while left != 0 {
                rows.append(64 * word + left.trailingZeroBitCount)
                left &= left - 1
            }
        }
        return rows
    }

    /// The index of a block in `blocks`; nil if none of its jets is selected.
    func index(ofBlock block: Int) -> Int? {
        let index = blocks.lowerBound(of: block)
        return index < blocks.count && blocks[index] == block ? index : nil
    }

    /// The number of selected jets before a row of the block at `index`; nil if that row is not selected.
    func position(ofRow row: Int, at index: Int) -> Int? {
        let (first, word) = (index * wordsPerBlock, row / 64)
        let own = bits[first + word]
        let mark: UInt64 = 1 << UInt64(row % 64)
        guard own & mark != 0 else { return nil }
        var position = (own & (mark - 1)).nonzeroBitCount
        for before in first..<first + word { position += bits[before].nonzeroBitCount }
        return position
    }

    /// The index in `blocks` of the block with the selected jet `number` (below `count`), and the number of the jet
    /// among the selected ones of the block.
    func place(of number: Int) -> (index: Int, position: Int) {
        let index = starts.lowerBound(of: number + 1) - 1
        return (index, number - starts[index])
    }

    /// The first `count` jets of the selection.
    func prefix(_ count: Int, of layout: BlockLayout) -> JetSelection {
        guard count < self.count else { return self }
        let (last, position) = place(of: count)
        let kept = position > 0 ? last + 1 : last
        var bits = Array(bits[..<(kept * wordsPerBlock)])
        if position > 0 {
            for row in rows(at: last).dropFirst(position) {
                bits[last * wordsPerBlock + row / 64] &= ~(1 << UInt64(row % 64))
            }
        }
        return JetSelection(blocks: Array(blocks[..<kept]), bits: bits, of: layout)
    }

    /// A hash of the selection (FNV-1a), to detect changes.
    package var checksum: UInt64 {
        func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 { (hash ^ word) &* 0x100_0000_01b3 }
        let hash = blocks.reduce(0xcbf2_9ce4_8422_2325) { mix($0, UInt64($1)) }
        return bits.reduce(hash, mix)
    }
}

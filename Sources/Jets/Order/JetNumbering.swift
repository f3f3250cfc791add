import System

/// The jets that are used and the blocks that hold them: all of a layout, or a selection.
///
/// Blocks are counted among those that hold a jet that is used ("at index"); jets keep their global index.
package struct JetNumbering: Sendable, Equatable {
    /// All jets and all blocks.
    package let layout: BlockLayout
    /// The jets that are used; nil for all.
    package let selection: JetSelection?

    package init(layout: BlockLayout, selection: JetSelection? = nil) {
        self.layout = layout
        self.selection = selection
    }

    /// The number of jets that are used.
    package var count: Int { selection?.count ?? layout.count }
    /// The number of blocks that hold them.
    package var blockCount: Int { selection?.blocks.count ?? layout.blockCount }

    /// The number in the layout of the block at `index`.
    package func block(at index: Int) -> Int { selection?.blocks[index] ?? index }

    /// The number of jets that are used of the block at `index`.
    package func jetCount(at index: Int) -> Int {
        selection?.count(at: index) ?? layout.jets(ofBlock: index).count
    }

    /// The jets that are used of the block at `index`.
    func jets(at index: Int) -> BlockJets {
        let range = layout.jets(ofBlock: block(at: index))
        return BlockJets(range: range, rows: selection?.rows(at: index))
    }

    /// Where a jet of a block of the layout stands among those that are used of it.
    func place(ofJet jet: Int, inBlock block: Int) -> Int {
        let row = jet - layout.jets(ofBlock: block).lowerBound
        guard let selection else { return row }
        guard let place = selection.index(ofBlock: block).flatMap({ selection.position(ofRow: row, at: $0) })
        else { unreachable("jet \(jet) is not among those that were selected") }
        return place
    }

    /// The blocks that are used of fewer than `blockRows` jets, and the number that each lacks.
    var shortBlocks: [(index: Int, missing: Int)] {
        guard let selection else { return layout.shortBlocks.map { ($0.block, $0.missing) } }
        return selection.blocks.indices.compactMap { index in
            let missing = layout.blockRows - selection.count(at: index)
            return missing > 0 ? (index, missing) : nil
        }
    }

    /// The global indices of consecutive jets in the order of the files.
    func jets(_ positions: Range<Int>) -> [Int] {
        guard let selection, !positions.isEmpty else { return Array(positions) }
        var jets: [Int] = []
        jets.reserveCapacity(positions.count)
        var (index, position) = selection.place(of: positions.lowerBound)
        while jets.count < positions.count {
            let block = self.jets(at: index)
            let end = min(block.count, position + positions.count - jets.count)
            jets += (position..<end).map { block[$0] }
            (index, position) = (index + 1, 0)
        }
        return jets
    }
}

/// The jets that are used of one block, by global index.
struct BlockJets {
    let range: Range<Int>
    /// The rows that are used; nil for all.
    let rows: [Int]?

    var count: Int { rows?.count ?? range.count }

    subscript(_ position: Int) -> Int { range.lowerBound + (rows?[position] ?? position) }
}

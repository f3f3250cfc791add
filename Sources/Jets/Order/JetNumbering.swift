import System

/// The jets in use and the blocks that contain them: all jets of a layout, or a selection.
///
/// "At index" counts only the blocks that contain a jet in use; jets keep their global index.
package struct JetNumbering: Sendable, Equatable {
    /// All jets and all blocks.
    package let layout: BlockLayout
    /// The jets in use; nil for all.
    package let selection: JetSelection?

    package init(layout: BlockLayout, selection: JetSelection? = nil) {
        self.layout = layout
        self.selection = selection
    }

    /// The number of jets in use.
    package var count: Int { selection?.count ?? layout.count }
    /// The number of blocks that contain jets in use.
    package var blockCount: Int { selection?.blocks.count ?? layout.blockCount }

    /// The number of the block at `index` in the layout.
    package func block(at index: Int) -> Int { selection?.blocks[index] ?? index }

    /// The number of jets in use of the block at `index`.
    func jetCount(at index: Int) -> Int {
        selection?.count(at: index) ?? layout.jets(ofBlock: index).count
    }

    /// The jets in use of the block at `index`.
    func jets(at index: Int) -> BlockJets {
        let range = layout.jets(ofBlock: block(at: index))
        return BlockJets(range: range, rows: selection?.rows(at: index))
    }

    /// The position of a jet among the used jets of its block, which is its row in the `JetBlock` that is read.
    func row(ofJet jet: Int, inBlock block: Int) -> Int {
        let row = jet - layout.jets(ofBlock: block).lowerBound
        guard let selection else { return row }
        guard let position = selection.index(ofBlock: block).flatMap({ selection.position(ofRow: row, at: $0) })
        else { unreachable("jet \(jet) is not selected") }
        return position
    }

    /// The blocks with fewer than `blockRows` jets in use, and the number of jets missing in each.
    var shortBlocks: [(index: Int, missing: Int)] {
        guard let selection else { return layout.shortBlocks.map { ($0.block, $0.missing) } }
        return selection.blocks.indices.compactMap { index in
            let missing = layout.blockRows - selection.count(at: index)
            return missing > 0 ? (index, missing) : nil
        }
    }

    /// The global indices of the jets at the given positions in the order of the files.
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

/// The jets in use of one block, by global index.
struct BlockJets {
    /// All jets of the block.
    let range: Range<Int>
    /// The rows in use; nil for all.
    let rows: [Int]?

    var count: Int { rows?.count ?? range.count }

    subscript(_ position: Int) -> Int { range.lowerBound + (rows?[position] ?? position) }
}

import System

/// The numbering of the jets of one or several files, and their division into blocks, the units of reading.
///
/// Jets are numbered from 0 through all files. A block lies in one file and is aligned to its chunks; the last block of
/// a file may be short.
package struct BlockLayout: Sendable, Equatable {
    /// The number of jets in each block but the last of a file.
    package let blockRows: Int
    /// The number of jets.
    package let count: Int
    /// The number of blocks.
    package let blockCount: Int
    /// The short blocks and the number of jets missing in each.
    let shortBlocks: [(block: Int, missing: Int)]
    /// The first jet of each file, and the number of jets.
    private let firstJets: [Int]
    /// The first block of each file, and the number of blocks.
    private let firstBlocks: [Int]

    /// The layout of files with the given numbers of jets.
    package init(fileLengths: [Int], blockRows: Int) {
        invariant(blockRows > 0, "blocks of \(blockRows) jets")
        invariant(fileLengths.allSatisfy { $0 >= 0 }, "negative file length in \(fileLengths)")
        self.blockRows = blockRows
        var (jets, blocks) = ([0], [0])
        var short: [(block: Int, missing: Int)] = []
        for length in fileLengths {
            let needed = (length + blockRows - 1) / blockRows
            jets.append(jets[jets.count - 1] + length)
            blocks.append(blocks[blocks.count - 1] + needed)
            let missing = needed * blockRows - length
            if missing > 0 { short.append((blocks[blocks.count - 1] - 1, missing)) }
        }
        (firstJets, firstBlocks, shortBlocks) = (jets, blocks, short)
        count = jets[jets.count - 1]
        blockCount = blocks[blocks.count - 1]
    }

    /// The global indices of the jets of a block.
    package func jets(ofBlock block: Int) -> Range<Int> {
        let file = file(ofBlock: block)
        let start = firstJets[file] + (block - firstBlocks[file]) * blockRows
        return start..<min(start + blockRows, firstJets[file + 1])
    }

    /// The block that contains a jet.
    package func block(ofJet jet: Int) -> Int {
        invariant(jet >= 0 && jet < count, "jet \(jet) is outside 0..<\(count)")
        let file = firstJets.lowerBound(of: jet + 1) - 1
        return firstBlocks[file] + (jet - firstJets[file]) / blockRows
    }

    /// The number of the file that contains a block.
    package func file(ofBlock block: Int) -> Int {
        invariant(block >= 0 && block < blockCount, "block \(block) is outside 0..<\(blockCount)")
        return firstBlocks.lowerBound(of: block + 1) - 1
    }

    /// The file of a block, and the rows in it.
    func place(ofBlock block: Int) -> (file: Int, rows: Range<Int>) {
        let (file, jets) = (file(ofBlock: block), jets(ofBlock: block))
        return (file, jets.lowerBound - firstJets[file]..<jets.upperBound - firstJets[file])
    }

    /// The number of jets of a file.
    func fileLength(_ file: Int) -> Int { firstJets[file + 1] - firstJets[file] }

    /// The global index of the first jet of a file.
    package func firstJet(ofFile file: Int) -> Int { firstJets[file] }

    package static func == (a: BlockLayout, b: BlockLayout) -> Bool {
        a.blockRows == b.blockRows && a.firstJets == b.firstJets
    }
}

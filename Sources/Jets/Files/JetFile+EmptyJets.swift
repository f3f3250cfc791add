import System

extension JetFile {
    /// Files with more jets are not read completely to count those without constituents.
    private static var countedJets: Int { 1_000_000 }

    /// Throws `JetError` if jets have no constituents: usually, their data were lost.
    ///
    /// - Parameters:
    ///   - block: jets of this file.
    ///   - firstRow: the row of the first jet of the block.
    ///   - used: the positions in the block of the jets in use; nil for all.
    ///   - permission: how such jets can be accepted, for the message.
    func checkNoJetIsEmpty(in block: JetBlock, firstRow: Int, used: [Int]? = nil, permission: String) throws {
        func isEmpty(_ jet: Int) -> Bool { block.offsets.values[jet] == block.offsets.values[jet + 1] }
        guard used.map({ $0.contains(where: isEmpty) }) ?? (0..<block.count).contains(where: isEmpty) else { return }
        let isCounted = count <= Self.countedJets
        let searched = isCounted ? 0..<count : firstRow..<firstRow + block.count
        var rows: [Int] = []
        for start in stride(from: searched.lowerBound, to: searched.upperBound, by: blockRows) {
            let part = start..<min(start + blockRows, searched.upperBound)
            for (index, number) in try constituentCounts(rows: part).enumerated() where number == 0 {
                rows.append(start + index)
            }
        }
        let list = rows.prefix(3).map(String.init).joined(separator: ", ") + (rows.count > 3 ? ", …" : "")
        let jets = isCounted ? plural(count, "jet") : "the jets \(searched)"
        throw JetError(
            "\(path): \(rows.count) of \(jets) have no constituents (row\(rows.count == 1 ? "" : "s") \(list)): write "
                + "the file again without them, or \(permission)")
    }
}

import HDF5

/// Writes the jets of several files, padded or packed, into one packed file, block by block.
///
/// Besides the datasets of the packed format it copies all datasets with a row for each jet (`jets`, …) or each
/// constituent (`vtx_id`, …), with their attributes `names`, and the root attributes of the first source. Constituents
/// are written by decreasing pT. What else the sources contain is named by `leftOut`.
package final class JetPacker {
    package struct Options: Sendable, Equatable {
        /// The deflate level, 0 … 9.
        package var compression = 4
        /// The maximum number of constituents of a jet; the softest are dropped. By default all are kept.
        package var maxConstituents = JetFileRules.maxConstituents
        /// The largest number of jets to write; nil for all.
        package var jets: Int?
        /// True to accept jets without constituents.
        package var allowsEmptyJets = false
        /// The program and its version, for the attribute `created_by`.
        package var creator = "kaon"

        package init() {}
    }

    /// Chunk length of datasets with a row for each jet.
    static let jetsPerChunk = 1000
    /// Chunk length of datasets with a row for each constituent. Twice as many save 1 % of the file size and cost a
    /// sixth of the reading speed; half as many add 2 % to the file size.
    static let constituentsPerChunk = 8192

    /// The size of the file that was written.
    package struct Summary: Sendable, Equatable {
        package let jets: Int
        package let constituents: Int
    }

    private let sources: [PackingSource]
    private let options: Options

    /// Opens the sources and checks that they are compatible. Throws `HDF5Error` or `JetError`.
    package init(_ patterns: [String], options: Options = Options()) throws {
        let paths = try patterns.flatMap(JetFileList.expand)
        guard !paths.isEmpty else { throw JetError("no file to pack is given") }
        var left = options.jets ?? .max
        sources = try paths.map { path in
            let source = try PackingSource(path, maxConstituents: options.maxConstituents, jets: left)
            left -= source.count
            return source
        }
        self.options = options
        for source in sources.dropFirst() { try source.checkFits(sources[0]) }
    }

    /// Contents of the sources that are not copied to the packed file: groups, datasets of texts, and references.
    package var leftOut: [String] {
        let isWhole = sources.count == 1 && sources[0].count == sources[0].file.count
        return sources.flatMap { $0.leftOut(copiesAttributes: isWhole) }
    }

    /// The source files in order.
    package var paths: [String] { sources.map(\.path) }

    /// Writes the file. `report` is called with the number of jets written so far and the total.
    ///
    /// Throws `HDF5Error`, or `JetError` at values that cannot be used.
    package func write(to root: borrowing Group, report: (Int, Int) -> Void = { _, _ in }) throws -> Summary {
        let jets = sources.reduce(0) { $0 + $1.count }
        // Datasets are created with their final length, so the constituents are counted first.
        let constituents = try sources.reduce(0) { try $0 + $1.countConstituents() }
        let filters = Filters(deflate: options.compression, shuffle: true, fletcher32: true)
        let first = sources[0]

        func create(_ column: PackingColumn) throws -> Dataset {
            let rows = column.isPerConstituent ? constituents : jets
            let chunkRows = column.isPerConstituent ? Self.constituentsPerChunk : Self.jetsPerChunk
            let dataset = try root.createDataset(
                column.name, of: column.type, shape: [rows] + column.rowShape,
                chunks: [chunkRows] + column.rowShape.map { max($0, 1) }, filters: filters)
            if let names = column.names { try dataset.setAttribute("names", to: names) }
            return dataset
        }
        let offsets = try root.createDataset(
            "offsets", of: .int64, shape: [jets + 1], chunks: [Self.jetsPerChunk], filters: filters)
        let features = try create(first.features)
        let identities = try create(first.identities)
        let labels = try create(first.labels)
        for column in first.others { _ = try create(column) }
        try write([0], at: 0, to: offsets)

        var (jet, token) = (0, 0)
        for source in sources {
            for rows in source.blocks {
                let block = try source.file.read(rows: rows)
                if !options.allowsEmptyJets {
                    try source.file.checkNoJetIsEmpty(
                        in: block, firstRow: rows.lowerBound, permission: "give --allow-empty-jets to accept them")
                }
                try write(block.offsets.values.dropFirst().map { token + Int($0) }, at: jet + 1, to: offsets)
                try write(source.values(of: block), at: token, to: features)
                try write(block.identities, at: token, to: identities)
                try write(block.labels, at: jet, to: labels)
                for column in first.others {
                    let copy = try source.read(column, rows: rows, order: block.order)
                    try copy.write(to: root.dataset(column.name), at: column.isPerConstituent ? token : jet)
                }
                jet += rows.count
                token += block.identities.count
                report(jet, jets)
            }
        }
        try first.copyAttributes(to: root)
        // Attributes of datasets may describe their rows, such as counts of the classes.
        if sources.count == 1, first.count == first.file.count { try first.copyDatasetAttributes(to: root) }
        try root.setAttribute("layout", to: "kaon packed")
        try root.setAttribute("layout_version", to: 1)
        try root.setAttribute("created_by", to: options.creator)
        try root.setAttribute("sources", to: sources.map(\.name))
        try root.setAttribute("max_constituents", to: options.maxConstituents)
        return Summary(jets: jets, constituents: constituents)
    }

    private func write<T: HDF5Scalar>(_ values: [T], at row: Int, to dataset: borrowing Dataset) throws {
        let width = dataset.shape.dropFirst().reduce(1, *)
        try values.withUnsafeBufferPointer {
            try dataset.write(rows: row..<row + values.count / max(width, 1), from: $0)
        }
    }
}

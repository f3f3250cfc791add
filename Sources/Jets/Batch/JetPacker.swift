import HDF5

/// Writes files of jets, padded or packed, one after the other into one packed file, a block at a time.
///
/// Besides what a packed file needs it keeps the datasets that have a row a jet (`jets`, …) or, in a padded
/// file, a slot a constituent (`vtx_id`, …), their attributes `names`, and the root attributes of the first
/// source.
package final class JetPacker {
    /// How to pack.
    package struct Options: Sendable, Equatable {
        /// The level of deflate, 0 … 9.
        package var compression = 4
        /// Constituents of a jet after this many are left out.
        package var maxConstituents = 128
        /// The number of jets after which no more are written; nil for all.
        package var jets: Int?
        /// What writes the file, and in which version: the attribute `created_by`.
        package var creator = "kaon"

        package init() {}
    }

    /// Jets in a chunk of what has a row a jet.
    static let jetsPerChunk = 1000
    /// Constituents in a chunk of what has a row a constituent. Twice as many save 1 % of the file and cost a
    /// sixth of the reading speed, half as many cost 2 % of the file.
    static let constituentsPerChunk = 8192

    /// What was written.
    package struct Summary: Sendable, Equatable {
        package let jets: Int
        package let constituents: Int
    }

    private let sources: [PackingSource]
    private let options: Options

    /// Opens the sources and checks that they fit together. Throws `HDF5Error` or `JetError`.
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

    /// The files that are packed, in order.
    package var paths: [String] { sources.map(\.path) }

    /// Writes the file. `report` hears how many jets are done, of how many.
    ///
    /// Throws `HDF5Error`, or `JetError` at values that cannot be used.
    package func write(to root: borrowing Group, report: (Int, Int) -> Void = { _, _ in }) throws -> Summary {
        let jets = sources.reduce(0) { $0 + $1.count }
        // A dataset has its length when it is made: the constituents are counted first.
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
            PackedLayout.mark, of: .int64, shape: [jets + 1], chunks: [Self.jetsPerChunk], filters: filters)
        let features = try create(first.features)
        let identities = try create(first.identities)
        let labels = try create(first.labels)
        for column in first.others { _ = try create(column) }
        try write([0], at: 0, to: offsets)

        var (jet, token) = (0, 0)
        for source in sources {
            for rows in source.blocks {
                let block = try source.file.read(rows: rows)
                try write(block.offsets.dropFirst().map { token + Int($0) }, at: jet + 1, to: offsets)
                try write(block.values, at: token, to: features)
                try write(block.identities, at: token, to: identities)
                try write(block.labels, at: jet, to: labels)
                for column in first.others {
                    let copy = try source.read(column, rows: rows, counts: block)
                    try copy.write(to: root.dataset(column.name), at: column.isPerConstituent ? token : jet)
                }
                jet += rows.count
                token += block.identities.count
                report(jet, jets)
            }
        }
        try first.copyAttributes(to: root)
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

/// A dataset of a packed file that is to be made.
struct PackingColumn: Equatable {
    let name: String
    let type: ElementType
    /// Whether it has a row a constituent, or a row a jet.
    let isPerConstituent: Bool
    /// The extents of a row.
    let rowShape: [Int]
    /// The attribute `names`.
    let names: [String]?
}

/// A file that is packed.
private final class PackingSource {
    let path: String
    let file: any JetFile
    let features: PackingColumn
    let identities: PackingColumn
    let labels: PackingColumn
    /// What else is kept, by name.
    let others: [PackingColumn]
    /// The slots of a padded file.
    private let slots: Int?
    /// The same file, for what a `JetFile` does not read.
    private let raw: File

    /// The number of jets that are taken, the first ones.
    let count: Int
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    var blocks: [Range<Int>] {
        stride(from: 0, to: count, by: file.blockRows).map { $0..<min($0 + file.blockRows, count) }
    }

    init(_ path: String, maxConstituents: Int, jets: Int) throws {
        self.path = path
        file = try openJetFile(path, maxConstituents: maxConstituents)
        count = min(file.count, jets)
        raw = try File(opening: path)
        let shape = try raw.root.dataset("csts").shape
        slots = file is PaddedFile ? shape[1] : nil
        features = PackingColumn(
            name: "csts", type: .float32, isPerConstituent: true, rowShape: [JetFeatures.allNames.count],
            names: JetFeatures.allNames)
        identities = PackingColumn(
            name: "csts_id", type: .uint8, isPerConstituent: true, rowShape: [],
            names: JetFeatures.identityNames)
        let classes = file.classNames.count
        labels = PackingColumn(
            name: "labels", type: 1...256 ~= classes ? .uint8 : .int32, isPerConstituent: false, rowShape: [],
            names: classes > 0 ? file.classNames : nil)
        let known = ["csts", "csts_id", "labels", "mask", PackedLayout.mark]
        let (slots, jets) = (slots, file.count)
        var others: [PackingColumn] = []
        for child in try raw.root.children where child.kind == .dataset && !known.contains(child.name) {
            let dataset = try raw.root.dataset(child.name)
            let isPerConstituent =
                slots.map { Array(dataset.shape.prefix(2)) == [jets, $0] }
                ?? (dataset.shape.first == shape[0] && shape[0] != jets)
            guard dataset.elementType.isNumeric, isPerConstituent || dataset.shape.first == jets else {
                throw JetError(
                    "\(dataset.path) in \(path), \(dataset.elementType) of shape \(dataset.shape), has no row "
                        + "of numbers for every jet or constituent: remove it from the file")
            }
            others.append(
                PackingColumn(
                    name: child.name, type: dataset.elementType, isPerConstituent: isPerConstituent,
                    rowShape: Array(dataset.shape.dropFirst(isPerConstituent && slots != nil ? 2 : 1)),
                    names: dataset.hasAttribute("names") ? try dataset.stringsAttribute("names") : nil))
        }
        self.others = others
    }

    /// Throws `JetError` unless the file can follow the first one.
    func checkFits(_ first: PackingSource) throws {
        guard labels == first.labels else {
            throw JetError(
                "the classes in \(path) (\(file.classNames.joined(separator: ", "))) are not those in "
                    + "\(first.path) (\(first.file.classNames.joined(separator: ", "))): pack them apart")
        }
        func list(_ source: PackingSource) -> String {
            source.others.isEmpty
                ? "none"
                : source.others.map { "\($0.name) \($0.type) \($0.rowShape)" }.joined(separator: ", ")
        }
        guard others == first.others else {
            throw JetError(
                "the further datasets in \(path) (\(list(self))) are not those in \(first.path) "
                    + "(\(list(first))): pack them apart")
        }
    }

    func countConstituents() throws -> Int {
        try blocks.reduce(0) { try $0 + file.constituentCounts(rows: $1).reduce(0, +) }
    }

    /// Reads the rows of a column, without padding and without what was cut off the jets.
    func read(_ column: PackingColumn, rows: Range<Int>, counts block: JetBlock) throws -> ColumnPart {
        let dataset = try raw.root.dataset(column.name)
        guard column.isPerConstituent else { return try ColumnPart(dataset, rows: rows) }
        guard slots != nil else {
            // Constituents in the file, of which the first of every jet are kept.
            let starts = try (file as! PackedFile).offsets(rows: rows)
            var part = try ColumnPart(dataset, rows: starts[0]..<starts[rows.count])
            part.keep(
                (0..<rows.count).flatMap { jet in
                    let first = starts[jet] - starts[0]
                    return first..<first + Int(block.offsets[jet + 1] - block.offsets[jet])
                })
            return part
        }
        var part = try ColumnPart(dataset, rows: rows, slots: true)
        part.keep(try (file as! PaddedFile).usedSlots(rows: rows))
        return part
    }

    /// Copies the attributes of the root, texts and numbers.
    func copyAttributes(to root: borrowing Group) throws {
        for name in try raw.root.attributeNames {
            if let texts = try? raw.root.stringsAttribute(name) {
                if let text = try? raw.root.stringAttribute(name) {
                    try root.setAttribute(name, to: text)
                } else {
                    try root.setAttribute(name, to: texts)
                }
            } else if let number = try? raw.root.intAttribute(name) {
                try root.setAttribute(name, to: number)
            } else if let number = try? raw.root.doubleAttribute(name) {
                try root.setAttribute(name, to: number)
            } else if let numbers = try? raw.root.doublesAttribute(name) {
                try root.setAttribute(name, to: numbers)
            }
        }
    }
}

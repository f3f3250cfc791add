import HDF5

/// A dataset of the packed file that is written.
struct PackingColumn: Equatable {
    let name: String
    let type: ElementType
    /// True if it has a row for each constituent, false if it has a row for each jet.
    let isPerConstituent: Bool
    /// The dimensions of a row.
    let rowShape: [Int]
    /// The attribute `names`.
    let names: [String]?
}

/// A source file of `JetPacker`.
final class PackingSource {
    let path: String
    let file: any JetFile
    let features: PackingColumn
    let identities: PackingColumn
    /// Datasets that do not contain numbers.
    private let uncopied: [String]
    let labels: PackingColumn
    /// Further datasets that are copied, by name.
    let others: [PackingColumn]
    /// The same file, for datasets that `JetFile` does not read.
    private let raw: File

    /// The number of jets to pack; the first ones are.
    let count: Int
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    var blocks: [Range<Int>] {
        stride(from: 0, to: count, by: file.blockRows).map { $0..<min($0 + file.blockRows, count) }
    }

    init(_ path: String, maxConstituents: Int, jets: Int) throws {
        self.path = path
        file = try openJetFile(path, reading: JetReading(maxConstituents: maxConstituents))
        try file.checkStorage()
        count = min(file.count, jets)
        raw = try File(opening: path)
        let (stored, present) = (file.storedFeatures, file.storedFeatures.present)
        features = PackingColumn(
            name: "csts", type: .float32, isPerConstituent: true, rowShape: [present.count],
            names: present.map { stored.features.storedNames[$0] })
        identities = PackingColumn(
            name: "csts_id", type: .uint8, isPerConstituent: true, rowShape: [],
            names: stored.features.identities.names)
        let classes = file.classNames.count
        labels = PackingColumn(
            name: "labels", type: 1...256 ~= classes ? .uint8 : .int32, isPerConstituent: false, rowShape: [],
            names: classes > 0 ? file.classNames : nil)
        let known = JetFormats.all.flatMap { $0.datasetNames }
        let (jets, leading) = (file.count, file.constituentShape)
        var (others, uncopied): ([PackingColumn], [String]) = ([], [])
        for child in try raw.root.children where child.kind == .dataset && !known.contains(child.name) {
            let dataset = try raw.root.dataset(child.name)
            let isPerConstituent = try Self.isPerConstituent(dataset, child.name, file)
            guard dataset.elementType.isNumeric else {
                uncopied.append("the \(dataset.elementType) dataset /\(child.name)")
                continue
            }
            guard isPerConstituent || dataset.shape.first == jets else {
                throw JetError(
                    "\(dataset.path) in \(path), \(dataset.elementType) of shape \(dataset.shape), has no row "
                        + "of numbers for every jet or constituent: remove it from the file")
            }
            try dataset.checkFilters()
            try JetFileRules.checkStorage(path, dataset, isPerConstituent && leading.count == 2 ? .slots : .none)
            others.append(
                PackingColumn(
                    name: child.name, type: dataset.elementType, isPerConstituent: isPerConstituent,
                    rowShape: Array(dataset.shape.dropFirst(isPerConstituent ? leading.count : 1)),
                    names: dataset.hasAttribute("names") ? try dataset.stringsAttribute("names") : nil))
        }
        (self.others, self.uncopied) = (others, uncopied)
    }

    /// True if a dataset has a row for each constituent. A shape that is also that of rows of jets is decided by the
    /// name of the dataset, and by the attribute `names`, which named columns of jets have.
    private static func isPerConstituent(
        _ dataset: borrowing Dataset, _ name: String, _ file: any JetFile
    ) throws -> Bool {
        let (shape, leading) = (dataset.shape, file.constituentShape)
        guard Array(shape.prefix(leading.count)) == leading else { return false }
        if JetFileRules.constituentDatasets.contains(name) { return true }
        if JetFileRules.jetDatasets.contains(name) || leading == [file.count] { return false }
        guard shape.count == 2, leading.count == 2, dataset.hasAttribute("names") else { return true }
        return try dataset.stringsAttribute("names").count != shape[1]
    }

    /// Throws `JetError` unless the file has the same classes and datasets as the first one.
    func checkFits(_ first: PackingSource) throws {
        guard labels == first.labels else {
            throw JetError(
                "the classes in \(path) (\(file.classNames.joined(separator: ", "))) are not those in "
                    + "\(first.path) (\(first.file.classNames.joined(separator: ", "))): pack them separately")
        }
        guard features == first.features else {
            throw JetError(
                "the features in \(path) (\((features.names ?? []).joined(separator: ", "))) are not those in "
                    + "\(first.path) (\((first.features.names ?? []).joined(separator: ", "))): pack them separately")
        }
        guard identities == first.identities else {
            throw JetError(
                "the identities in \(path) (\((identities.names ?? []).joined(separator: ", "))) are not those in "
                    + "\(first.path) (\((first.identities.names ?? []).joined(separator: ", "))): pack them separately")
        }
        func list(_ source: PackingSource) -> String {
            source.others.isEmpty
                ? "none"
                : source.others.map { "\($0.name) \($0.type) \($0.rowShape)" }.joined(separator: ", ")
        }
        guard others == first.others else {
            throw JetError(
                "the further datasets in \(path) (\(list(self))) are not those in \(first.path) "
                    + "(\(list(first))): pack them separately")
        }
    }

    /// The values of `features` of a block, row-major.
    func values(of block: JetBlock) -> [Float] {
        let present = file.storedFeatures.present
        guard present.count < block.width else { return block.values }
        return (0..<block.identities.count).flatMap { token in present.map { block.values[token * block.width + $0] } }
    }

    func countConstituents() throws -> Int {
        try blocks.reduce(0) { try $0 + file.constituentCounts(rows: $1).reduce(0, +) }
    }

    /// Reads rows of a column, without padding and without the constituents beyond the maximum.
    ///
    /// - Parameter order: that of the constituents in the block of these rows.
    func read(_ column: PackingColumn, rows: Range<Int>, order: [Int32]?) throws -> ColumnPart {
        let dataset = try raw.root.dataset(column.name)
        return column.isPerConstituent
            ? try file.readConstituents(dataset, rows: rows, order: order) : try ColumnPart(dataset, rows: rows)
    }

    // MARK: Attributes and groups

    /// The datasets whose attributes are copied.
    private var copied: [String] { ["csts", "csts_id", "labels"] + others.map(\.name) }

    /// Copies the attributes of the root.
    func copyAttributes(to root: borrowing Group) throws { try raw.root.copyAttributes(to: root) }

    /// Copies the attributes of the datasets, except `names`, which the columns have.
    func copyDatasetAttributes(to root: borrowing Group) throws {
        for name in copied { try raw.root.dataset(name).copyAttributes(to: root.dataset(name), except: ["names"]) }
    }

    /// Contents that are not copied: `the group /truth`, `the attribute 'units' of /csts`.
    ///
    /// - Parameter copiesAttributes: true if `copyDatasetAttributes` is used.
    func leftOut(copiesAttributes: Bool) -> [String] {
        var names: [String] = []
        for child in (try? raw.root.children) ?? [] where child.kind != .dataset {
            names.append(child.kind == .group ? "the group /\(child.name)" : "/\(child.name)")
        }
        names += uncopied
        for attribute in raw.root.attributesThatCannotBeCopied() { names.append("the attribute '\(attribute)'") }
        // The mask and the offsets are computed again, without their attributes.
        for name in copied + ["mask", "offsets"] where raw.root.contains(name) {
            guard let dataset = try? raw.root.dataset(name) else { continue }
            let attributes =
                copiesAttributes && copied.contains(name)
                ? dataset.attributesThatCannotBeCopied() : (try? dataset.attributeNames) ?? []
            for attribute in attributes where attribute != "names" {
                names.append("the attribute '\(attribute)' of /\(name)")
            }
        }
        return names.map { "\($0) of \(path)" }
    }
}

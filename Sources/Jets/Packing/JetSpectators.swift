import HDF5

/// Properties of the jets that accompany predictions, in the order of the jets: the row in the file, the number of the
/// file, and datasets of the files with a row for each jet, such as `jets`.
package struct JetSpectators {
    /// The names of the row in the file and of the number of the file.
    package static let (row, file) = ("index", "file")
    /// The dataset that is copied by default.
    private static let standard = "jets"
    /// Number of rows to read at once.
    private static let rowsAtOnce = 1 << 16

    private let dataset: JetDataset
    private let names: [String]
    private let columns: [PackingColumn]

    /// Finds the datasets in all files. For one rank; not collective.
    ///
    /// Throws `HDF5Error`, or `JetError` if a name is neither `index` nor `file` nor a dataset with a row of numbers
    /// for each jet, of the same type in all files, or if a file does not contain all rows of a dataset.
    ///
    /// - Parameter names: nil for `index`, `file` and, if all files have it, `jets`.
    package init(_ names: [String]?, of dataset: JetDataset) throws {
        self.dataset = dataset
        let reserved = Set(JetFormats.all.flatMap { $0.datasetNames })
        for name in names ?? [] where reserved.contains(name) {
            throw JetError("evaluate.spectators: /\(name) belongs to the jets themselves; leave it out")
        }
        var found: [PackingColumn]?
        for (number, path) in dataset.paths.enumerated() {
            let root = try File(opening: path)
            let wanted = names?.filter { $0 != Self.row && $0 != Self.file }
            let count = dataset.layout.fileLength(number)
            var columns: [PackingColumn] = []
            for name in wanted ?? (root.root.contains(Self.standard) ? [Self.standard] : []) {
                columns.append(try Self.column(name, root.root, path, rows: count))
            }
            guard let first = found else {
                found = columns
                continue
            }
            if names == nil {
                // Without an explicit choice, what some files lack is left out.
                found = first == columns ? first : []
            } else if first != columns {
                throw JetError(
                    "evaluate.spectators: the datasets in \(path) differ in type, shape or names from those in "
                        + "\(dataset.paths[0])")
            }
        }
        columns = found ?? []
        self.names = names ?? [Self.row, Self.file] + columns.map(\.name)
    }

    private static func column(
        _ name: String, _ root: borrowing Group, _ path: String, rows: Int
    ) throws -> PackingColumn {
        guard root.contains(name), try root.children.contains(.init(name: name, kind: .dataset)) else {
            let others = try root.children.filter { $0.kind == .dataset }.map(\.name)
                .filter { name in !JetFormats.all.contains { $0.datasetNames.contains(name) } }
            throw JetError(
                "evaluate.spectators: \(path) has no dataset '\(name)'; there are \(Self.row), \(Self.file)"
                    + others.map { ", \($0)" }.joined())
        }
        let dataset = try root.dataset(name)
        guard dataset.elementType.isNumeric, let first = dataset.shape.first, first >= rows else {
            throw JetError(
                "evaluate.spectators: \(dataset.path) in \(path), \(dataset.elementType) of shape \(dataset.shape), "
                    + "has no row of numbers for each jet")
        }
        try dataset.checkFilters()
        try JetFileRules.checkStorage(path, dataset)
        return PackingColumn(
            name: name, type: dataset.elementType, isPerConstituent: false,
            rowShape: Array(dataset.shape.dropFirst()),
            names: dataset.hasAttribute("names") ? try dataset.stringsAttribute("names") : nil)
    }

    /// Writes one dataset for each spectator, and the paths of the files as the attribute `files`; returns the names of
    /// those that are left out because the group already has an object of that name. Throws `HDF5Error`.
    package func write(to root: borrowing Group) throws -> [String] {
        let taken = names.filter { root.contains($0) }
        try root.setAttribute("files", to: dataset.paths)
        for name in [Self.row, Self.file] where names.contains(name) && !taken.contains(name) {
            _ = try root.createDataset(name, of: name == Self.row ? .int64 : .int32, shape: [dataset.count])
        }
        let columns = columns.filter { !taken.contains($0.name) }
        for column in columns {
            let copy = try root.createDataset(column.name, of: column.type, shape: [dataset.count] + column.rowShape)
            if let names = column.names { try copy.setAttribute("names", to: names) }
        }
        var place = 0
        for part in parts {
            let rows = part.rows ?? Array(part.range)
            try write(rows, Self.row, at: place, to: root, unless: taken)
            try write(rows.map { _ in part.file }, Self.file, at: place, to: root, unless: taken)
            if !columns.isEmpty {
                let source = try File(opening: dataset.paths[part.file])
                for column in columns {
                    var copy = try ColumnPart(source.root.dataset(column.name), rows: part.range)
                    if let rows = part.rows { copy.keep(rows.map { $0 - part.range.lowerBound }) }
                    try copy.write(to: root.dataset(column.name), at: place)
                }
            }
            place += rows.count
        }
        return taken
    }

    private func write(
        _ values: [Int], _ name: String, at row: Int, to root: borrowing Group, unless taken: [String]
    ) throws {
        guard names.contains(name), !taken.contains(name) else { return }
        try values.withUnsafeBufferPointer { try root.dataset(name).write(rows: row..<row + $0.count, from: $0) }
    }

    /// Consecutive rows of a file, and those in use; nil for all.
    private struct Part {
        let file: Int
        var range: Range<Int>
        var rows: [Int]?
    }

    /// The jets in use in their order, in pieces of whole blocks.
    private var parts: [Part] {
        let numbering = dataset.numbering
        var parts: [Part] = []
        for index in 0..<numbering.blockCount {
            let (file, range) = dataset.layout.place(ofBlock: numbering.block(at: index))
            let rows = numbering.selection?.rows(at: index).map { $0 + range.lowerBound }
            if let last = parts.last, last.file == file, last.range.upperBound == range.lowerBound,
                last.range.count < Self.rowsAtOnce
            {
                let end = parts.count - 1
                parts[end].range = last.range.lowerBound..<range.upperBound
                if let rows { parts[end].rows! += rows }
            } else {
                parts.append(Part(file: file, range: range, rows: rows))
            }
        }
        return parts
    }
}

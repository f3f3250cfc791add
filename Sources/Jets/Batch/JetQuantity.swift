import HDF5
import System

/// A number for each jet in files of jets, such as a target of a regression: `DATASET` with one number for each jet, or
/// `DATASET/COLUMN` of a dataset with several.
package struct JetQuantity: Sendable, Hashable, CustomStringConvertible {
    /// The columns of the dataset `jets` in files that do not name them.
    package static let jetColumns = ["pt", "eta", "phi", "mass", "num_csts"]

    package let dataset: String
    /// Nil if the dataset has one number for each jet.
    package let column: String?
    /// True if zero and negative values are errors.
    package let isPositive: Bool

    package var description: String { "/" + dataset + (column.map { "/" + $0 } ?? "") }

    /// The quantity of a name such as `jets/mass` or `true_pt`. Throws `JetError` at other texts.
    package init(_ name: String, isPositive: Bool = false) throws {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else {
            throw JetError(
                "'\(name)' is neither a dataset with a number for each jet, such as true_pt, nor a column of one, such "
                    + "as jets/mass")
        }
        (dataset, column, self.isPositive) = (parts[0], parts.count == 2 ? parts[1] : nil, isPositive)
    }

    /// The dataset and the column of the quantity in a file. Throws `JetError` if they do not exist or do not have
    /// a number for each of `count` jets.
    ///
    /// - Parameter path: the path of the file, for messages.
    func place(in root: borrowing Group, path: String, count: Int) throws -> Place {
        guard root.contains(dataset) else {
            let others = try root.children.filter { $0.kind == .dataset }.map(\.name).sorted()
            throw JetError(
                "\(path) has no dataset '\(dataset)' with a number for each jet (it has "
                    + "\(others.joined(separator: ", "))): name another one, or write the file with it")
        }
        let found = try root.dataset(dataset)
        guard found.shape.first == count, found.shape.count == (column == nil ? 1 : 2) else {
            let advice = column == nil && found.shape.count == 2 ? "; name one of its columns as \(dataset)/COLUMN" : ""
            throw JetError(
                "\(found.path) in \(path) has the shape \(found.shape), not \([count])"
                    + (column == nil ? "" : " × columns") + advice)
        }
        guard found.elementType.isNumeric else {
            throw JetError("\(found.path) in \(path) is of type \(found.elementType), not of numbers")
        }
        try found.checkFilters()
        guard let column else { return Place(dataset: found, index: nil) }
        var names = found.hasAttribute("names") ? try found.stringsAttribute("names") : []
        if names.isEmpty, dataset == "jets" { names = Self.jetColumns }
        // The mass may be the soft-drop mass, `sdmass`.
        let soft = dataset == "jets" && column == "mass" ? names.firstIndex { $0.hasSuffix("mass") } : nil
        guard let index = names.firstIndex(of: column) ?? soft, index < found.shape[1] else {
            throw JetError(
                "\(found.path) in \(path) has no column '\(column)'; "
                    + (names.isEmpty
                        ? "its columns have no names: add them as its attribute 'names'"
                        : "its columns are \(names.joined(separator: ", "))"))
        }
        return Place(dataset: found, index: index)
    }

    /// A dataset of a file, and the column in it; nil if it has one number for each jet.
    struct Place: ~Copyable {
        let dataset: Dataset
        let index: Int?
    }

    /// Reads the quantity for some jets. Throws `HDF5Error`, or `JetError` at values that are not finite, or not
    /// positive if they must be.
    func read(_ rows: Range<Int>, from root: borrowing Group, path: String, count: Int) throws -> [Float] {
        let place = try place(in: root, path: path, count: count)
        let values = try [Float](unsafeUninitializedCapacity: rows.count) { buffer, initialized in
            let values = UnsafeMutableBufferPointer(rebasing: buffer[..<rows.count])
            if let index = place.index {
                try place.dataset.read(start: [rows.lowerBound, index], count: [rows.count, 1], into: values)
            } else {
                try place.dataset.read(rows: rows, into: values)
            }
            initialized = rows.count
        }
        if let row = values.firstIndex(where: { !$0.isFinite || isPositive && $0 <= 0 }) {
            throw JetError(
                "\(path): \(self), row \(rows.lowerBound + row) is \(values[row]), but must be "
                    + "\(isPositive ? "positive" : "finite"): write the file again without that jet")
        }
        return values
    }
}

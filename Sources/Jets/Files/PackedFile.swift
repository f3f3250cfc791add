import HDF5
import System
import Tensors

/// A file in kaon's own format: the constituents of all jets one after the other, without padding. N jets, T
/// constituents.
///
/// `offsets` [N + 1] integer: jet i has the constituents `offsets[i] ..< offsets[i + 1]` of `csts` [T, F] float and
/// `csts_id` [T] integer; `labels` [N] and, optionally, `jets` [N, 5] are as in the padded format. The hardest
/// `maxConstituents` of each jet are read.
package final class PackedFile: JetFile {
    package static let datasetNames = ["offsets", "csts", "csts_id", "labels"]

    package let path: String
    package var count: Int { layout.count }
    package var blockRows: Int { layout.blockRows }
    package var classNames: [String] { layout.labels.classNames }
    package var namesClasses: Bool { layout.labels.areNamed }
    package var storedFeatures: StoredFeatures { layout.stored }
    package var constituentShape: [Int] { [layout.constituents] }
    package let servesMPI: Bool

    private let maxConstituents: Int
    private let constituentLabels: [String]
    private let quantities: [JetQuantity]
    private let layout: PackedLayout
    private let file: File

    package static func matches(_ root: borrowing Group) -> Bool { root.contains("offsets") }

    package init(path: String, file: consuming File, reading: JetReading) throws {
        invariant(reading.maxConstituents > 0, "jets of at most \(reading.maxConstituents) constituents")
        self.path = path
        maxConstituents = reading.maxConstituents
        constituentLabels = reading.constituentLabels
        quantities = reading.quantities
        layout = try PackedLayout(path: path, root: file.root, reading: reading)
        for name in constituentLabels {
            try JetFileRules.checkConstituentLabels(path, file.root, name, shape: [layout.constituents])
        }
        for quantity in quantities { _ = try quantity.place(in: file.root, path: path, count: layout.count) }
        let isVirtual = try JetFileRules.haveVirtual(reading.furtherDatasets, file.root)
        servesMPI = !isVirtual && !layout.isVirtual
        self.file = file
    }

    package func checkStorage() throws {
        try layout.checkStorage(path)
        for quantity in quantities { try JetFileRules.checkStorage(path, file.root.dataset(quantity.dataset)) }
        for name in constituentLabels { try JetFileRules.checkStorage(path, file.root.dataset(name)) }
    }

    package func labels(rows: Range<Int>) throws -> [Int32] { try layout.labels.read(rows) }

    package func constituentCounts(rows: Range<Int>) throws -> [Int] {
        counts(of: try layout.readOffsets(rows, path: path))
    }

    package func readConstituents(
        _ dataset: borrowing Dataset, rows: Range<Int>, order: [Int32]?
    ) throws -> ColumnPart {
        let starts = try layout.readOffsets(rows, path: path)
        var part = try ColumnPart(dataset, rows: starts[0]..<starts[rows.count])
        if let order { part.keep(order.map { Int($0) }) }
        return part
    }

    /// The number of constituents to read of each jet, given the offsets in the file.
    private func counts(of starts: [Int]) -> [Int] {
        zip(starts, starts.dropFirst()).map { min($1 - $0, maxConstituents) }
    }

    package func read(rows: Range<Int>) throws -> JetBlock {
        invariant(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) are outside 0..<\(count)")
        let starts = try layout.readOffsets(rows, path: path)
        let tokens = starts[0]..<starts[rows.count]
        func read<T: HDF5Scalar>(_ dataset: borrowing Dataset, width: Int = 1) throws -> [T] {
            try [T](unsafeUninitializedCapacity: tokens.count * width) { buffer, initialized in
                try dataset.read(
                    rows: tokens, into: UnsafeMutableBufferPointer(rebasing: buffer[..<(tokens.count * width)]))
                initialized = tokens.count * width
            }
        }
        let stored: [Float] = try read(layout.features, width: layout.stored.width)
        let offsets = Offsets(starts.map { Int32($0 - starts[0]) })
        let constituents = StoredConstituents(
            offsets: offsets, features: layout.stored.features, values: layout.stored.arranged(stored),
            identities: try read(layout.identities),
            labels: try constituentLabels.map { ($0, try read(file.root.dataset($0))) })
        let check = ConstituentCheck(path: path) { token in
            let jet = (0..<rows.count).first { offsets[$0].contains(token) }!
            return (rows.lowerBound + jet, token - offsets[jet].lowerBound)
        }
        var block = try constituents.block(labels: try labels(rows: rows), maximum: maxConstituents, check)
        block.quantities = try quantities.map { try $0.read(rows, from: file.root, path: path, count: count) }
        return block
    }
}

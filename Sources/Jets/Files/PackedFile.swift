import HDF5
import System
import Tensors

/// A file in kaon's own format: the constituents of all jets one after the other, without padding. N jets, T
/// constituents.
///
/// `offsets` [N + 1] integer: jet i has the constituents `offsets[i] ..< offsets[i + 1]` of `csts` [T, 7] float and
/// `csts_id` [T] integer; `labels` [N] and, optionally, `jets` [N, 5] are as in the padded format. The first
/// `maxConstituents` of each jet are read.
package final class PackedFile: JetFile {
    package static let datasetNames = ["offsets", "csts", "csts_id", "labels"]

    package let path: String
    package var count: Int { layout.count }
    package var blockRows: Int { layout.blockRows }
    package var classNames: [String] { layout.labels.classNames }
    package var namesClasses: Bool { layout.labels.areNamed }
    package var constituentShape: [Int] { [layout.constituents] }

    private let maxConstituents: Int
    private let constituentLabels: [String]
    private let layout: PackedLayout
    private let file: File

    package static func matches(_ root: borrowing Group) -> Bool { root.contains("offsets") }

    package init(path: String, file: consuming File, reading: JetReading) throws {
        invariant(reading.maxConstituents > 0, "jets of at most \(reading.maxConstituents) constituents")
        self.path = path
        maxConstituents = reading.maxConstituents
        constituentLabels = reading.constituentLabels
        layout = try PackedLayout(path: path, root: file.root, reading: reading)
        for name in constituentLabels {
            try JetFileRules.checkConstituentLabels(path, file.root, name, shape: [layout.constituents])
        }
        self.file = file
    }

    package func labels(rows: Range<Int>) throws -> [Int32] { try layout.labels.read(rows) }

    package func constituentCounts(rows: Range<Int>) throws -> [Int] {
        counts(of: try layout.readOffsets(rows, path: path))
    }

    package func readConstituents(_ dataset: borrowing Dataset, rows: Range<Int>) throws -> ColumnPart {
        let starts = try layout.readOffsets(rows, path: path)
        var part = try ColumnPart(dataset, rows: starts[0]..<starts[rows.count])
        part.keep(
            counts(of: starts).enumerated().flatMap { jet, count in
                let first = starts[jet] - starts[0]
                return first..<first + count
            })
        return part
    }

    /// The number of constituents to read of each jet, given the offsets in the file.
    private func counts(of starts: [Int]) -> [Int] {
        zip(starts, starts.dropFirst()).map { min($1 - $0, maxConstituents) }
    }

    package func read(rows: Range<Int>) throws -> JetBlock {
        invariant(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) are outside 0..<\(count)")
        let width = JetFeatures.allNames.count
        let starts = try layout.readOffsets(rows, path: path)
        let tokens = starts[0]..<starts[rows.count]
        func read<T: HDF5Scalar>(_ dataset: borrowing Dataset, width: Int = 1) throws -> [T] {
            try [T](unsafeUninitializedCapacity: tokens.count * width) { buffer, initialized in
                try dataset.read(
                    rows: tokens, into: UnsafeMutableBufferPointer(rebasing: buffer[..<(tokens.count * width)]))
                initialized = tokens.count * width
            }
        }
        var values: [Float] = try read(layout.features, width: width)
        var stored: [Int32] = try read(layout.identities)
        var others = try constituentLabels.map { name in try read(file.root.dataset(name)) as [Int32] }

        let offsets = Offsets(counts: counts(of: starts))
        for jet in 0..<rows.count where offsets[jet].lowerBound != starts[jet] - starts[0] {
            // Close the gap that constituents beyond the maximum leave in the jets before this one.
            let (first, kept) = (starts[jet] - starts[0], offsets[jet])
            for (index, token) in kept.enumerated() {
                stored[token] = stored[first + index]
                for other in others.indices { others[other][token] = others[other][first + index] }
            }
            for index in 0..<kept.count * width {
                values[kept.lowerBound * width + index] = values[first * width + index]
            }
        }
        stored.removeLast(stored.count - offsets.tokens)
        values.removeLast(values.count - offsets.tokens * width)
        for other in others.indices { others[other].removeLast(others[other].count - offsets.tokens) }

        let check = ConstituentCheck(path: path) { token in
            let jet = (0..<rows.count).first { offsets[$0].contains(token) }!
            return (rows.lowerBound + jet, token - offsets[jet].lowerBound)
        }
        let identities = try check.identities(stored)
        try check.values(values)
        return JetBlock(
            offsets: offsets, values: values, identities: identities, labels: try labels(rows: rows),
            constituentLabels: others)
    }
}

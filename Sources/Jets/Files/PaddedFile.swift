import HDF5
import System
import Tensors

/// A file in the format of the MPM papers: every jet has the same number C of slots, and `mask` marks the used ones.
/// N jets.
///
/// `csts` [N, C, 7] float, `csts_id` [N, C] integer, `mask` [N, C] boolean, `labels` [N] integer, with the names of the
/// classes in the attribute `names` of `labels`, and, optionally, `jets` [N, 5]. C may be any number; the first
/// `maxConstituents` slots are read.
package final class PaddedFile: JetFile {
    package static let datasetNames = ["csts", "csts_id", "mask", "labels"]

    package let path: String
    package var count: Int { layout.count }
    package var blockRows: Int { layout.blockRows }
    package var classNames: [String] { layout.labels.classNames }
    package var namesClasses: Bool { layout.labels.areNamed }
    package var constituentShape: [Int] { [layout.count, layout.slots] }

    /// The number of slots to read.
    private let slots: Int
    private let constituentLabels: [String]
    private let layout: PaddedLayout
    private let file: File

    package static func matches(_ root: borrowing Group) -> Bool { true }

    package init(path: String, file: consuming File, reading: JetReading) throws {
        invariant(reading.maxConstituents > 0, "jets of at most \(reading.maxConstituents) constituents")
        self.path = path
        constituentLabels = reading.constituentLabels
        layout = try PaddedLayout(path: path, root: file.root, reading: reading)
        slots = min(layout.slots, reading.maxConstituents)
        for name in constituentLabels {
            try JetFileRules.checkConstituentLabels(path, file.root, name, shape: [layout.count, layout.slots])
        }
        self.file = file
    }

    package func labels(rows: Range<Int>) throws -> [Int32] { try layout.labels.read(rows) }

    package func constituentCounts(rows: Range<Int>) throws -> [Int] {
        let mask: [UInt8] = try read(layout.mask, rows)
        return (0..<rows.count).map { jet in mask[jet * slots..<(jet + 1) * slots].count { $0 != 0 } }
    }

    package func readConstituents(_ dataset: borrowing Dataset, rows: Range<Int>) throws -> ColumnPart {
        let mask: [UInt8] = try read(layout.mask, rows)
        var part = try ColumnPart(dataset, rows: rows, leading: 2)
        // The file may have more slots than are read.
        part.keep(mask.indices.filter { mask[$0] != 0 }.map { $0 / slots * layout.slots + $0 % slots })
        return part
    }

    /// Reads the first `slots` slots of some jets, `[rows, slots]`, or `[rows, slots, width]`.
    private func read<T: HDF5Scalar>(
        _ dataset: borrowing Dataset, _ rows: Range<Int>, width: Int? = nil
    ) throws -> [T] {
        let count = rows.count * slots * (width ?? 1)
        let (start, extents) = ([rows.lowerBound, 0], [rows.count, slots])
        return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
            try dataset.read(
                start: start + (width == nil ? [] : [0]), count: extents + (width.map { [$0] } ?? []),
                into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initialized = count
        }
    }

    package func read(rows: Range<Int>) throws -> JetBlock {
        invariant(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) are outside 0..<\(count)")
        let mask: [UInt8] = try read(layout.mask, rows)
        let offsets = Offsets(
            counts: (0..<rows.count).map { jet in mask[jet * slots..<(jet + 1) * slots].count { $0 != 0 } })
        let runs = MaskRuns(mask: mask, tokens: offsets.tokens)
        let stored: [Int32] = runs.packed(try read(layout.identities, rows))
        let width = JetFeatures.allNames.count
        let values: [Float] = runs.packed(try read(layout.features, rows, width: width), width: width)

        let check = ConstituentCheck(path: path, alternative: ", or mask the constituent") { token in
            let slot = mask.indices.filter { mask[$0] != 0 }[token]
            return (rows.lowerBound + slot / self.slots, slot % self.slots)
        }
        let identities = try check.identities(stored)
        try check.values(values)
        let others: [[Int32]] = try constituentLabels.map { runs.packed(try read(file.root.dataset($0), rows)) }
        return JetBlock(
            offsets: offsets, values: values, identities: identities, labels: try labels(rows: rows),
            constituentLabels: others)
    }
}

/// The runs of consecutive used slots.
private struct MaskRuns {
    let mask: [UInt8]
    /// The number of used slots.
    let tokens: Int

    /// The elements of the used slots, `[tokens, width]`, of those of all slots.
    func packed<T>(_ all: [T], width: Int = 1) -> [T] {
        [T](unsafeUninitializedCapacity: tokens * width) { packed, initialized in
            all.withUnsafeBufferPointer { all in
                guard let from = all.baseAddress, let to = packed.baseAddress else { return }
                var (slot, token) = (0, 0)
                while slot < mask.count {
                    if mask[slot] == 0 {
                        slot += 1
                        continue
                    }
                    let first = slot
                    while slot < mask.count, mask[slot] != 0 { slot += 1 }
                    (to + token * width).initialize(from: from + first * width, count: (slot - first) * width)
                    token += slot - first
                }
            }
            initialized = tokens * width
        }
    }
}

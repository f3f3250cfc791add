import HDF5
import System
import Tensors

/// A file in the format of the MPM papers: every jet has the same number C of slots, and `mask` marks the used ones.
/// N jets.
///
/// `csts` [N, C, F] float, `csts_id` [N, C] integer, `mask` [N, C] boolean, `labels` [N] integer, with the names of the
/// classes in the attribute `names` of `labels`, and, optionally, `jets` [N, 5]. C may be any number; the
/// hardest `maxConstituents` of each jet are read.
package final class PaddedFile: JetFile {
    package static let datasetNames = ["csts", "csts_id", "mask", "labels"]

    package let path: String
    package var count: Int { layout.count }
    package var blockRows: Int { layout.blockRows }
    package var classNames: [String] { layout.labels.classNames }
    package var namesClasses: Bool { layout.labels.areNamed }
    package var storedFeatures: StoredFeatures { layout.stored }
    package var constituentShape: [Int] { [layout.count, layout.slots] }
    package let servesMPI: Bool

    private let maxConstituents: Int
    private let constituentLabels: [String]
    private let quantities: [JetQuantity]
    private let layout: PaddedLayout
    private let file: File

    package static func matches(_ root: borrowing Group) -> Bool { true }

    package init(path: String, file: consuming File, reading: JetReading) throws {
        invariant(reading.maxConstituents > 0, "jets of at most \(reading.maxConstituents) constituents")
        self.path = path
        constituentLabels = reading.constituentLabels
        quantities = reading.quantities
        layout = try PaddedLayout(path: path, root: file.root, reading: reading)
        maxConstituents = reading.maxConstituents
        for name in constituentLabels {
            try JetFileRules.checkConstituentLabels(path, file.root, name, shape: [layout.count, layout.slots])
        }
        for quantity in quantities { _ = try quantity.place(in: file.root, path: path, count: layout.count) }
        let isVirtual = try JetFileRules.haveVirtual(reading.furtherDatasets, file.root)
        servesMPI = !isVirtual && !layout.isVirtual
        self.file = file
    }

    package func checkStorage() throws {
        try layout.checkStorage(path)
        for quantity in quantities { try JetFileRules.checkStorage(path, file.root.dataset(quantity.dataset)) }
        for name in constituentLabels { try JetFileRules.checkStorage(path, file.root.dataset(name), .slots) }
    }

    package func labels(rows: Range<Int>) throws -> [Int32] { try layout.labels.read(rows) }

    package func constituentCounts(rows: Range<Int>) throws -> [Int] {
        counts(of: try readMask(rows), slots: layout.slots).map { min($0, maxConstituents) }
    }

    /// The number of used slots of each jet.
    private func counts(of mask: [Int8], slots: Int) -> [Int] {
        stride(from: 0, to: mask.count, by: slots).map { start in mask[start..<start + slots].count { $0 != 0 } }
    }

    package func readConstituents(
        _ dataset: borrowing Dataset, rows: Range<Int>, order: [Int32]?
    ) throws -> ColumnPart {
        let mask = try readMask(rows)
        let used = mask.indices.filter { mask[$0] != 0 }
        var part = try ColumnPart(dataset, rows: rows, leading: 2)
        part.keep(order.map { $0.map { used[Int($0)] } } ?? used)
        return part
    }

    /// The mask of all slots of some jets. Throws `JetError` at negative values, which may mean either.
    private func readMask(_ rows: Range<Int>) throws -> [Int8] {
        let mask: [Int8] = try read(layout.mask, rows, slots: layout.slots)
        // A loop that is vectorised: the sign of all values.
        if mask.reduce(0, |) < 0, let index = mask.firstIndex(where: { $0 < 0 }) {
            let (row, slot) = index.quotientAndRemainder(dividingBy: layout.slots)
            throw JetError(
                "\(path): /mask, row \(rows.lowerBound + row), slot \(slot) is negative: write the file again with 1 "
                    + "for used slots and 0 for others")
        }
        return mask
    }

    /// Reads the first `slots` slots of some jets, `[rows, slots]`, or `[rows, slots, width]`.
    private func read<T: HDF5Scalar>(
        _ dataset: borrowing Dataset, _ rows: Range<Int>, slots: Int, width: Int? = nil
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
        var mask = try readMask(rows)
        // Slots beyond the maximum are read only where they are used: they may contain the hardest constituents.
        var slots = min(layout.slots, maxConstituents)
        if slots < layout.slots {
            let first = stride(from: 0, to: mask.count, by: layout.slots).flatMap { mask[$0..<$0 + slots] }
            if first.count(where: { $0 != 0 }) == mask.count(where: { $0 != 0 }) {
                mask = first
            } else {
                slots = layout.slots
            }
        }
        let offsets = Offsets(counts: counts(of: mask, slots: slots))
        let runs = MaskRuns(mask: mask, tokens: offsets.tokens)
        func packed<T: HDF5Scalar>(_ dataset: borrowing Dataset, width: Int? = nil) throws -> [T] {
            runs.packed(try read(dataset, rows, slots: slots, width: width), width: width ?? 1)
        }
        let stored: [Float] = try packed(layout.features, width: layout.stored.width)
        let constituents = StoredConstituents(
            offsets: offsets, features: layout.stored.features, values: layout.stored.arranged(stored),
            identities: try packed(layout.identities),
            labels: try constituentLabels.map { ($0, try packed(file.root.dataset($0))) })
        let check = ConstituentCheck(path: path, alternative: ", or mask the constituent") { token in
            let slot = mask.indices.filter { mask[$0] != 0 }[token]
            return (rows.lowerBound + slot / slots, slot % slots)
        }
        var block = try constituents.block(labels: try labels(rows: rows), maximum: maxConstituents, check)
        block.quantities = try quantities.map { try $0.read(rows, from: file.root, path: path, count: count) }
        return block
    }
}

/// The runs of consecutive used slots.
private struct MaskRuns {
    let mask: [Int8]
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

import HDF5
import System

/// A file in the layout of the MPM papers: every jet has the same number C of slots, of which `mask` tells
/// the used.
///
/// `csts` [N, C, 7] float, `csts_id` [N, C] integer, `mask` [N, C] boolean, `labels` [N] integer, with the
/// names of the classes in the attribute `names` of `labels`, and, optionally, `jets` [N, 5]. C may be any
/// number; the first `maxConstituents` slots are used.
package final class PaddedFile: JetFile {
    package let path: String
    package var count: Int { layout.count }
    package var blockRows: Int { layout.blockRows }
    package var classNames: [String] { layout.labels.classNames }

    private let slots: Int
    private let constituentLabels: [String]
    private let layout: PaddedLayout
    private let file: File

    /// Checks the structure of an open file. Throws `HDF5Error`, and `JetError` where it does not fit.
    init(
        path: String, file: consuming File, maxConstituents: Int, constituentLabels: [String] = []
    ) throws {
        invariant(maxConstituents > 0, "jets of at most \(maxConstituents) constituents")
        self.path = path
        layout = try PaddedLayout(path: path, root: file.root)
        slots = min(layout.slots, maxConstituents)
        self.constituentLabels = constituentLabels
        for name in constituentLabels {
            try JetStructure.checkConstituentLabels(path, file.root, name, shape: [layout.count, layout.slots])
        }
        self.file = file
    }

    package func labels(rows: Range<Int>) throws -> [Int32] { try layout.labels.read(rows) }

    package func constituentCounts(rows: Range<Int>) throws -> [Int] {
        let mask = try readMask(rows)
        return (0..<rows.count).map { jet in mask[jet * slots..<(jet + 1) * slots].count { $0 != 0 } }
    }

    /// The used slots of some jets, counted from the first slot of the first of them as the file has them.
    func usedSlots(rows: Range<Int>) throws -> [Int] {
        let mask = try readMask(rows)
        return mask.indices.filter { mask[$0] != 0 }.map { $0 / slots * layout.slots + $0 % slots }
    }

    private func readMask(_ rows: Range<Int>) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: rows.count * slots) { buffer, initialized in
            try layout.mask.read(
                start: [rows.lowerBound, 0], count: [rows.count, slots],
                into: UnsafeMutableBufferPointer(rebasing: buffer[..<(rows.count * slots)]))
            initialized = rows.count * slots
        }
    }

    /// Reads jets, whatever other ranks do.
    ///
    /// Throws `HDF5Error`, and `JetError` at a value that is not finite, an unknown identity or an unknown
    /// class.
    package func read(rows: Range<Int>) throws -> JetBlock {
        invariant(
            rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) are outside 0..<\(count)")
        let (jets, width) = (rows.count, JetFeatures.allNames.count)
        let mask = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: jets * slots)
        let identities = UnsafeMutableBufferPointer<Int32>.allocate(capacity: jets * slots)
        let features = UnsafeMutableBufferPointer<Float>.allocate(capacity: jets * slots * width)
        defer {
            mask.deallocate()
            identities.deallocate()
            features.deallocate()
        }
        try layout.mask.read(start: [rows.lowerBound, 0], count: [jets, slots], into: mask)
        try layout.identities.read(start: [rows.lowerBound, 0], count: [jets, slots], into: identities)
        try layout.features.read(
            start: [rows.lowerBound, 0, 0], count: [jets, slots, width], into: features)

        var offsets = [Int32](repeating: 0, count: jets + 1)
        for jet in 0..<jets {
            var used: Int32 = 0
            for slot in jet * slots..<(jet + 1) * slots { used += mask[slot] == 0 ? 0 : 1 }
            offsets[jet + 1] = offsets[jet] + used
        }
        let tokens = Int(offsets[jets])
        let runs = MaskRuns(mask: UnsafeBufferPointer(mask))
        let values = [Float](unsafeUninitializedCapacity: tokens * width) { packed, initialized in
            guard let from = features.baseAddress, let to = packed.baseAddress else { return }
            runs.forEach { slot, token, length in
                (to + token * width).update(from: from + slot * width, count: length * width)
            }
            initialized = tokens * width
        }
        let stored = [Int32](unsafeUninitializedCapacity: tokens) { packed, initialized in
            runs.forEach { slot, token, length in
                for index in 0..<length { packed[token + index] = identities[slot + index] }
            }
            initialized = tokens
        }
        let check = ConstituentCheck(path: path, alternative: ", or mask the constituent") { token in
            let slot = mask.indices.filter { mask[$0] != 0 }[token]
            return (rows.lowerBound + slot / self.slots, slot % self.slots)
        }
        let kinds = try check.identities(stored)
        try check.values(values)
        let others = try constituentLabels.map { name in
            try runs.read(
                file.root.dataset(name), start: [rows.lowerBound, 0], count: [jets, slots], tokens: tokens)
        }
        return JetBlock(
            offsets: offsets, values: values, identities: kinds, labels: try labels(rows: rows),
            constituentLabels: others)
    }
}

/// The stretches of used slots.
private struct MaskRuns {
    let mask: UnsafeBufferPointer<UInt8>

    /// Reads the used slots of a dataset of whole numbers.
    func read(_ dataset: borrowing Dataset, start: [Int], count: [Int], tokens: Int) throws -> [Int32] {
        let slots = count.reduce(1, *)
        let all = try [Int32](unsafeUninitializedCapacity: slots) { buffer, initialized in
            try dataset.read(start: start, count: count, into: UnsafeMutableBufferPointer(rebasing: buffer[..<slots]))
            initialized = slots
        }
        return [Int32](unsafeUninitializedCapacity: tokens) { packed, initialized in
            forEach { slot, token, length in
                for index in 0..<length { packed[token + index] = all[slot + index] }
            }
            initialized = tokens
        }
    }

    /// Calls `body(first slot, its token, number of slots)` for each.
    @inline(__always)
    func forEach(_ body: (Int, Int, Int) -> Void) {
        var (slot, token) = (0, 0)
        while slot < mask.count {
            if mask[slot] == 0 {
                slot += 1
                continue
            }
            let first = slot
            while slot < mask.count, mask[slot] != 0 { slot += 1 }
            body(first, token, slot - first)
            token += slot - first
        }
    }
}

import HDF5
import MPI

/// A file in the layout of the MPM papers: every jet has the same number C of slots, of which `mask` tells
/// the used.
///
/// `csts` [N, C, 7] float, `csts_id` [N, C] integer, `mask` [N, C] boolean, `labels` [N] integer, with the
/// names of the classes in the attribute `names` of `labels`, and, optionally, `jets` [N, 5]. C may be any
/// number; the first `maxConstituents` slots are used.
public final class PaddedFile: JetFile {
    public let path: String
    public var count: Int { layout.count }
    public var blockRows: Int { layout.blockRows }
    public var classNames: [String] { layout.classNames }

    private let slots: Int
    private let layout: PaddedLayout
    private let file: File

    /// Opens a file and checks its structure; collective if a communicator is given, which the file then uses
    /// alone.
    ///
    /// Throws `HDF5Error` or `AgreedError` where there is no such file, and `JetError` where its structure
    /// does not fit.
    public init(path: String, maxConstituents: Int, on communicator: Communicator?) throws {
        precondition(maxConstituents > 0, "jets of at most \(maxConstituents) constituents")
        self.path = path
        file = try File(opening: path, on: communicator)
        layout = try PaddedLayout(path: path, root: file.root)
        slots = min(layout.slots, maxConstituents)
    }

    /// Reads jets, whatever other ranks do.
    ///
    /// Throws `HDF5Error`, and `JetError` at a value that is not finite, an unknown identity or an unknown
    /// class.
    public func read(rows: Range<Int>) throws -> JetBlock {
        precondition(
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
        var worst: UInt32 = 0
        let kinds = [UInt8](unsafeUninitializedCapacity: tokens) { packed, initialized in
            runs.forEach { slot, token, length in
                for index in 0..<length {
                    let identity = UInt32(bitPattern: identities[slot + index])
                    worst = max(worst, identity)
                    packed[token + index] = UInt8(truncatingIfNeeded: identity)
                }
            }
            initialized = tokens
        }
        let place = { (slot: Int) in
            "row \(rows.lowerBound + slot / self.slots), constituent \(slot % self.slots)"
        }
        if worst >= UInt32(JetFeatures.identityNames.count) {
            for slot in 0..<jets * slots where mask[slot] != 0 && !(0..<8).contains(identities[slot]) {
                throw JetError(
                    "\(path): /csts_id, \(place(slot)) is \(identities[slot]); identities are 0 (photon) to "
                        + "7 (antimuon): write the file again with those, or mask the constituent")
            }
        }
        if !Self.areFinite(values) {
            for slot in 0..<jets * slots where mask[slot] != 0 {
                for feature in 0..<width where !features[slot * width + feature].isFinite {
                    throw JetError(
                        "\(path): /csts, \(place(slot)): feature '\(JetFeatures.allNames[feature])' is "
                            + "\(features[slot * width + feature]); write the file again without it, or mask "
                            + "the constituent")
                }
            }
        }
        return JetBlock(offsets: offsets, values: values, identities: kinds, labels: try readLabels(rows))
    }

    private func readLabels(_ rows: Range<Int>) throws -> [Int32] {
        let stored = UnsafeMutableBufferPointer<Int>.allocate(capacity: rows.count)
        defer { stored.deallocate() }
        try layout.labels.read(rows: rows, into: stored)
        let classes = classNames.isEmpty ? 0...Int(Int32.max) : 0...classNames.count - 1
        return try stored.enumerated().map { index, label in
            guard classes.contains(label) else {
                let known =
                    classNames.isEmpty
                    ? "classes are numbered from 0"
                    : "the file names \(classNames.count) classes (\(classNames.joined(separator: ", ")))"
                throw JetError(
                    "\(path): /labels, row \(rows.lowerBound + index) is \(label), but \(known): correct the "
                        + "label or the attribute 'names' of /labels")
            }
            return Int32(label)
        }
    }

    /// Whether no value is infinite or not a number.
    private static func areFinite(_ values: [Float]) -> Bool {
        var largest: UInt32 = 0
        values.withUnsafeBufferPointer { buffer in
            for value in buffer { largest = max(largest, value.bitPattern & 0x7fff_ffff) }
        }
        return largest < Float.infinity.bitPattern
    }
}

/// The stretches of used slots.
private struct MaskRuns {
    let mask: UnsafeBufferPointer<UInt8>

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

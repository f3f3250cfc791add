import HDF5
import System

/// A file in kaon's own layout: the constituents of all jets one after the other, without padding.
///
/// `offsets` [N + 1] integer: jet i has the constituents `offsets[i] ..< offsets[i + 1]` of `csts` [T, 7]
/// float and `csts_id` [T] integer; `labels` [N] and, optionally, `jets` [N, 5] are those of the padded
/// layout. The first `maxConstituents` of each jet are used.
package final class PackedFile: JetFile {
    package let path: String
    package var count: Int { layout.count }
    package var blockRows: Int { layout.blockRows }
    package var classNames: [String] { layout.labels.classNames }

    private let maxConstituents: Int
    private let constituentLabels: [String]
    private let layout: PackedLayout
    private let file: File

    /// Checks the structure of an open file. Throws `HDF5Error`, and `JetError` where it does not fit.
    init(
        path: String, file: consuming File, maxConstituents: Int, constituentLabels: [String] = []
    ) throws {
        invariant(maxConstituents > 0, "jets of at most \(maxConstituents) constituents")
        self.path = path
        self.maxConstituents = maxConstituents
        layout = try PackedLayout(path: path, root: file.root)
        self.constituentLabels = constituentLabels
        let constituents = layout.features.shape[0]
        for name in constituentLabels {
            try JetStructure.checkConstituentLabels(path, file.root, name, shape: [constituents])
        }
        self.file = file
    }

    package func labels(rows: Range<Int>) throws -> [Int32] { try layout.labels.read(rows) }

    package func constituentCounts(rows: Range<Int>) throws -> [Int] {
        let starts = try offsets(rows: rows)
        return (0..<rows.count).map { min(starts[$0 + 1] - starts[$0], maxConstituents) }
    }

    /// Where jets begin in the file, and where the last of them ends. Throws as `read(rows:)`.
    func offsets(rows: Range<Int>) throws -> [Int] { try layout.readOffsets(rows, path: path) }

    /// Reads jets, whatever other ranks do.
    ///
    /// Throws `HDF5Error`, and `JetError` at offsets that do not rise, a value that is not finite, an unknown
    /// identity or an unknown class.
    package func read(rows: Range<Int>) throws -> JetBlock {
        invariant(
            rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) are outside 0..<\(count)")
        let width = JetFeatures.allNames.count
        let starts = try offsets(rows: rows)
        let tokens = starts[0]..<starts[rows.count]
        var values = try [Float](unsafeUninitializedCapacity: tokens.count * width) { buffer, initialized in
            try layout.features.read(
                rows: tokens, into: UnsafeMutableBufferPointer(rebasing: buffer[..<(tokens.count * width)]))
            initialized = tokens.count * width
        }
        var identities = try [Int32](unsafeUninitializedCapacity: tokens.count) { buffer, initialized in
            try layout.identities.read(
                rows: tokens, into: UnsafeMutableBufferPointer(rebasing: buffer[..<tokens.count]))
            initialized = tokens.count
        }
        var others = try constituentLabels.map { name in
            try [Int32](unsafeUninitializedCapacity: tokens.count) { buffer, initialized in
                try file.root.dataset(name).read(
                    rows: tokens, into: UnsafeMutableBufferPointer(rebasing: buffer[..<tokens.count]))
                initialized = tokens.count
            }
        }
        var offsets: [Int32] = [0]
        offsets.reserveCapacity(rows.count + 1)
        for jet in 0..<rows.count {
            let first = starts[jet] - tokens.lowerBound
            let used = min(starts[jet + 1] - starts[jet], maxConstituents)
            let token = Int(offsets[jet])
            if token != first {
                // What was cut off the jets before leaves a gap.
                for index in 0..<used { identities[token + index] = identities[first + index] }
                for other in others.indices {
                    for index in 0..<used { others[other][token + index] = others[other][first + index] }
                }
                for index in 0..<used * width {
                    values[token * width + index] = values[first * width + index]
                }
            }
            offsets.append(Int32(token + used))
        }
        let kept = Int(offsets[rows.count])
        identities.removeLast(identities.count - kept)
        values.removeLast(values.count - kept * width)
        for other in others.indices { others[other].removeLast(others[other].count - kept) }

        let check = ConstituentCheck(path: path) { token in
            let jet = (0..<rows.count).first { Int(offsets[$0 + 1]) > token }!
            return (rows.lowerBound + jet, token - Int(offsets[jet]))
        }
        let kinds = try check.identities(identities)
        try check.values(values)
        return JetBlock(
            offsets: offsets, values: values, identities: kinds, labels: try labels(rows: rows),
            constituentLabels: others)
    }
}

import HDF5
import Tensors

/// Rules for files of jets of any format.
package enum JetFileRules {
    /// The permitted types of identities, labels and offsets.
    static let integers: [ElementType] = [
        .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
    ]

    /// Optional datasets with a row for each jet, and for each constituent, whatever their shapes.
    static let (jetDatasets, constituentDatasets) = (["jets", "vtx_pos"], ["vtx_id", "track_type"])

    /// The largest number of constituents of a jet in a file, so that blocks of such jets fit into memory.
    package static let maxConstituents = 16384

    /// The number of jets to read at once: whole chunks of about a thousand jets in total if chunks are small, at most
    /// 4096 jets if they are large, because a rank caches many blocks.
    package static func blockRows(chunk: Int) -> Int {
        guard chunk > 1000 else { return 1000 / max(chunk, 1) * max(chunk, 1) }
        // Equal parts of a chunk, so that no block lies in two of them.
        let least = (chunk + 4095) / 4096
        return (least...2 * least).first { chunk % $0 == 0 }.map { chunk / $0 } ?? 4096
    }

    /// The error about a dataset whose shape is not as expected.
    static func misfit(_ path: String, _ dataset: borrowing Dataset, _ expected: String) -> JetError {
        JetError(
            "\(dataset.path) in \(path) has the shape \(dataset.shape), not \(expected): "
                + "write the file again")
    }

    /// Throws `JetError` if a dataset is missing.
    ///
    /// - Parameter advice: the datasets of the format, and what to do.
    static func checkExist(_ names: [String], _ path: String, _ root: borrowing Group, _ advice: String) throws {
        for name in names where !root.contains(name) {
            if root.isDanglingLink(name) {
                throw JetError("/\(name) in \(path) is a link to an object that does not exist: restore its target")
            }
            let remedy =
                switch name {
                case _ where !root.contains("csts"): ""
                case "csts_id":
                    "; without identities, write the same number for all constituents, and train with "
                        + "model.identity=false and without the task particle_id"
                case "labels": "; for a pre-training without classes, write the label 0 for all jets"
                default: ""
                }
            throw JetError("dataset /\(name) is missing in \(path); \(advice)\(remedy)")
        }
    }

    /// Throws `JetError` unless the dataset has one of the types.
    static func require(
        _ path: String, _ dataset: borrowing Dataset, _ types: [ElementType], _ expected: String
    ) throws {
        guard types.contains(dataset.elementType) else {
            throw JetError(
                "\(dataset.path) in \(path) is of type \(dataset.elementType), not of \(expected): "
                    + "write the file again")
        }
    }

    /// Throws `JetError` if the file does not contain all rows of a dataset.
    ///
    /// - Parameter padding: the elements of its rows that need not be stored.
    static func checkStorage(
        _ path: String, _ dataset: borrowing Dataset, _ padding: StorageGap.Padding = .none
    ) throws {
        guard let gap = try dataset.storageGap(padding) else { return }
        throw JetError(
            "\(path): \(dataset.path) lacks \(gap.description): \(gap.reason); restore what is missing, or write the "
                + "file again")
    }

    /// True if one of the datasets is virtual.
    static func haveVirtual(_ names: [String], _ root: borrowing Group) throws -> Bool {
        for name in names where try root.dataset(name).isVirtual { return true }
        return false
    }

    /// Throws `JetError` unless a dataset has an integer for each constituent.
    static func checkConstituentLabels(
        _ path: String, _ root: borrowing Group, _ name: String, shape: [Int]
    ) throws {
        guard root.contains(name) else {
            throw JetError(
                "\(path) has no dataset '\(name)', which holds the targets of this task; write the file with it")
        }
        let dataset = try root.dataset(name)
        guard dataset.shape == shape else { throw misfit(path, dataset, "\(shape) as in /csts") }
        try require(path, dataset, integers, "integers")
        try dataset.checkFilters()
    }

    /// Throws `JetError` if there is a dataset `/jets` whose rows are not one for each jet.
    static func checkJets(_ path: String, _ root: borrowing Group, count: Int, as other: String) throws {
        guard root.contains("jets") else { return }
        let jets = try root.dataset("jets")
        guard jets.shape.first == count else {
            throw misfit(path, jets, "\(count) rows as in \(other)")
        }
    }
}

/// Checks the constituents of a block; errors name the row and the constituent.
struct ConstituentCheck {
    /// The path of the file.
    let path: String
    /// The features of the block.
    var features = JetFeatures.all
    /// A remedy besides writing the file again.
    var alternative = ""
    /// The row in the file, and the constituent in the jet, of a token of the block.
    let place: (_ token: Int) -> (row: Int, constituent: Int)

    /// The identities as bytes. Throws `JetError` at an unknown one.
    func identities(_ stored: [Int32]) throws -> [UInt8] {
        let (names, known) = (features.identities.names, UInt32(features.identities.count))
        var worst: UInt32 = 0
        for identity in stored { worst = max(worst, UInt32(bitPattern: identity)) }
        if worst >= known, let token = stored.firstIndex(where: { UInt32(bitPattern: $0) >= known }) {
            throw JetError(
                "\(path): /csts_id, \(describe(token)) is \(stored[token]); identities are 0 (\(names[0])) to "
                    + "\(known - 1) (\(names[names.count - 1])): write the file again with those, or name all of them "
                    + "in data.identities\(alternative)")
        }
        return stored.map { UInt8(truncatingIfNeeded: $0) }
    }

    /// Integers of constituents besides the identity. Throws `JetError` at a number of a vertex that has no meaning; −1
    /// is unknown.
    func labels(_ name: String, _ stored: [Int32]) throws -> [Int32] {
        // Integers beyond 32 bits are read as the largest one.
        guard name == "vtx_id", let token = stored.firstIndex(where: { $0 < -1 || $0 == .max }) else { return stored }
        let value = stored[token] == .max ? "beyond 32 bits" : "\(stored[token])"
        throw JetError(
            "\(path): /\(name), \(describe(token)) is \(value); vertices are numbered from 0 in 32 bits, with -1 for "
                + "unknown: write the file again with those")
    }

    /// Throws `JetError` if a value is infinite or not a number, or pT is not positive.
    ///
    /// - Parameter offsets: the constituents of each jet, by decreasing pT.
    func values(_ values: [Float], _ offsets: Offsets) throws {
        var largest: UInt32 = 0
        values.withUnsafeBufferPointer { buffer in
            for value in buffer { largest = max(largest, value.bitPattern & 0x7fff_ffff) }
        }
        guard largest >= Float.infinity.bitPattern, let index = values.firstIndex(where: { !$0.isFinite })
        else { return try momenta(values, offsets) }
        let (token, feature) = index.quotientAndRemainder(dividingBy: features.storedCount)
        throw JetError(
            "\(path): /csts, \(describe(token)): feature '\(features.storedNames[feature])' is "
                + "\(values[index]); write the file again without it\(alternative)")
    }

    private func momenta(_ values: [Float], _ offsets: Offsets) throws {
        let width = features.storedCount
        // The last constituent of a jet is the softest.
        let ends = offsets.values.lazy.dropFirst().map { Int($0) }
        guard ends.contains(where: { $0 > 0 && !(values[($0 - 1) * width] > 0) }),
            let token = (0..<offsets.tokens).first(where: { !(values[$0 * width] > 0) })
        else { return }
        throw JetError(
            "\(path): /csts, \(describe(token)): pT is \(values[token * width]), but must be positive [GeV]: write the "
                + "file again without it\(alternative) (are the features in another order, or logarithms?)")
    }

    private func describe(_ token: Int) -> String {
        let (row, constituent) = place(token)
        return "row \(row), constituent \(constituent)"
    }
}

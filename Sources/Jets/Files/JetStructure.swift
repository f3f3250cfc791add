import HDF5

/// The rules that files of jets keep, whatever their layout.
package enum JetStructure {
    /// The types of identities, labels and offsets.
    static let integers: [ElementType] = [
        .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
    ]

    /// The most constituents that a jet of a file may have. Blocks of such jets still find room in memory.
    static let mostConstituents = 16384

    /// The number of jets to read at once: whole chunks, about a thousand jets where chunks are small, and
    /// not more than memory can bear many times where they are large.
    package static func blockRows(chunk: Int) -> Int {
        chunk <= 1000 ? 1000 / max(chunk, 1) * max(chunk, 1) : min(chunk, 4096)
    }

    /// An error about a dataset whose shape is not what is `expected`.
    static func misfit(_ path: String, _ dataset: borrowing Dataset, _ expected: String) -> JetError {
        JetError(
            "\(dataset.path) in \(path) has the shape \(dataset.shape), not \(expected): "
                + "write the file again")
    }

    /// Throws `JetError` unless the dataset is of one of the types.
    static func require(
        _ path: String, _ dataset: borrowing Dataset, _ types: [ElementType], _ expected: String
    ) throws {
        guard types.contains(dataset.elementType) else {
            throw JetError(
                "\(dataset.path) in \(path) is of type \(dataset.elementType), not of \(expected): "
                    + "write the file again")
        }
    }

    /// Throws `JetError` unless a dataset has a whole number for each constituent.
    static func checkConstituentLabels(
        _ path: String, _ root: borrowing Group, _ name: String, shape: [Int]
    ) throws {
        guard root.contains(name) else {
            throw JetError("\(path) has no dataset '\(name)', which this task learns; write the file with it")
        }
        let dataset = try root.dataset(name)
        guard dataset.shape == shape else { throw misfit(path, dataset, "\(shape) as in /csts") }
        try require(path, dataset, integers, "integers")
    }

    /// Throws `JetError` where `/csts` says that its features are others, or in another order.
    static func checkFeatureNames(_ path: String, _ features: borrowing Dataset) throws {
        guard features.hasAttribute("names") else { return }
        let names = try features.stringsAttribute("names")
        guard names == JetFeatures.allNames else {
            throw JetError(
                "/csts in \(path) holds the features \(names.joined(separator: ", ")), not "
                    + "\(JetFeatures.allNames.joined(separator: ", ")): write the file again so")
        }
    }

    /// Throws `JetError` unless `/jets`, where there is one, has a row a jet.
    static func checkJets(_ path: String, _ root: borrowing Group, count: Int, as other: String) throws {
        guard root.contains("jets") else { return }
        let jets = try root.dataset("jets")
        guard jets.shape.first == count else {
            throw misfit(path, jets, "\(count) rows as in \(other)")
        }
    }
}

/// Finds what cannot be used among the constituents of a block, and says where it stands.
struct ConstituentCheck {
    /// The file.
    let path: String
    /// What else than writing the file again may help.
    var alternative = ""
    /// The row and the constituent in it of the token of that number in the block.
    let place: (_ token: Int) -> (row: Int, constituent: Int)

    /// The identities in bytes. Throws `JetError` at one that is none of the known.
    func identities(_ stored: [Int32]) throws -> [UInt8] {
        let known = UInt32(JetFeatures.identityNames.count)
        var worst: UInt32 = 0
        for identity in stored { worst = max(worst, UInt32(bitPattern: identity)) }
        if worst >= known, let token = stored.firstIndex(where: { UInt32(bitPattern: $0) >= known }) {
            throw JetError(
                "\(path): /csts_id, \(describe(token)) is \(stored[token]); identities are 0 (photon) to "
                    + "7 (antimuon): write the file again with those\(alternative)")
        }
        return stored.map { UInt8(truncatingIfNeeded: $0) }
    }

    /// Throws `JetError` at a value that is infinite or not a number.
    func values(_ values: [Float]) throws {
        var largest: UInt32 = 0
        values.withUnsafeBufferPointer { buffer in
            for value in buffer { largest = max(largest, value.bitPattern & 0x7fff_ffff) }
        }
        guard largest >= Float.infinity.bitPattern, let index = values.firstIndex(where: { !$0.isFinite })
        else { return }
        let (token, feature) = index.quotientAndRemainder(dividingBy: JetFeatures.allNames.count)
        throw JetError(
            "\(path): /csts, \(describe(token)): feature '\(JetFeatures.allNames[feature])' is "
                + "\(values[index]); write the file again without it\(alternative)")
    }

    private func describe(_ token: Int) -> String {
        let (row, constituent) = place(token)
        return "row \(row), constituent \(constituent)"
    }
}

import Configuration
import HDF5

/// The features of the datasets `csts` and `csts_id` of a file, and where they are in blocks.
///
/// A block has the seven features of `JetFeatures.allNames`, followed by further ones that are of the data alone. The
/// columns of a file may be in another order, and a file needs only pT, Δη and Δφ. Files of events have `eta` and `phi`
/// instead of the angles to a jet: in blocks, these are also the columns Δη and Δφ, relative to the axis η = φ = 0.
package struct StoredFeatures: Sendable, Equatable {
    /// The features that every file has to have.
    private static let required = Array(JetFeatures.allNames[..<3])
    /// Names in files of events, by the names of the columns of blocks.
    private static let eventAngles = ["deta": "eta", "dphi": "phi"]

    /// The features of a block: `features.storedNames` are its columns.
    package let features: JetFeatures
    /// The number of columns in the file.
    let width: Int
    /// For each column of a block the column in the file; nil for a feature that the file lacks, which is 0 in blocks.
    private let columns: [Int?]
    /// The columns of blocks that the file has under their own names.
    package let present: [Int]
    /// True if the columns of blocks are those of the file.
    private let areEqual: Bool

    /// Reads the attributes `names` of `csts` and `csts_id`. Throws `HDF5Error`, or `JetError` if the names do not fit,
    /// a wanted feature is missing, or the identities are not the wanted ones.
    ///
    /// - Parameters:
    ///   - path: the path of the file, for messages.
    ///   - rows: the meaning of the dimensions before the last one, for messages.
    ///   - wanted: the features that are read; nil for all further ones of the file.
    init(
        _ dataset: borrowing Dataset, identities: borrowing Dataset, path: String, rows: String, wanted: JetFeatures?
    ) throws {
        let (known, width) = (JetFeatures.allNames, dataset.shape.last ?? 0)
        let hasNames = dataset.hasAttribute("names")
        let names = hasNames ? try dataset.stringsAttribute("names") : known
        guard hasNames || width == known.count else {
            throw JetFileRules.misfit(
                path, dataset, "\(rows) × the \(known.count) features " + known.joined(separator: ", "))
        }
        let list = names.joined(separator: ", ")
        guard names.count == width else {
            throw JetError(
                "/csts in \(path) has \(width) columns, but its attribute 'names' lists \(names.count) features "
                    + "(\(list)): correct the attribute")
        }
        if let name = names.first(where: { name in name.isEmpty || names.count { $0 == name } > 1 }) {
            throw JetError("/csts in \(path) holds the feature '\(name)' twice or without a name (\(list)): correct it")
        }
        let isOfEvents = Self.eventAngles.allSatisfy { !names.contains($0.key) && names.contains($0.value) }
        if let name = Self.required.first(where: { !names.contains(isOfEvents ? Self.eventAngles[$0] ?? $0 : $0) }) {
            throw JetError(
                "/csts in \(path) holds the features \(list), but not '\(name)': write the file again with "
                    + Self.required.joined(separator: ", ") + ", or events with pt, eta, phi")
        }
        if let name = wanted?.names.first(where: { !names.contains($0) }) {
            let others = names.filter { wanted?.names.contains($0) == true }
            throw JetError(
                "\(path) has no feature '\(name)'\(suggestion(for: name, among: names)): /csts holds \(list); select "
                    + "some of them, such as "
                    + "data.features=[\((others.isEmpty ? names : others).joined(separator: ","))], or write the file "
                    + "with it")
        }
        features = JetFeatures(
            own: wanted?.ownNames ?? names.filter { !known.contains($0) },
            try Identities(identities, path: path, wanted: wanted?.identities))
        columns = features.storedNames.map { name in
            names.firstIndex(of: isOfEvents ? Self.eventAngles[name] ?? name : name)
        }
        present = features.storedNames.indices.filter { [features] in names.contains(features.storedNames[$0]) }
        areEqual = columns == Array(0..<width)
        self.width = width
    }

    /// The values in the columns of a block of those in the columns of the file, both row-major.
    func arranged(_ values: [Float]) -> [Float] {
        guard !areEqual else { return values }
        let (rows, count) = (values.count / max(1, width), columns.count)
        return [Float](unsafeUninitializedCapacity: rows * count) { result, initialized in
            for row in 0..<rows {
                for (column, from) in columns.enumerated() {
                    result[row * count + column] = from.map { values[row * width + $0] } ?? 0
                }
            }
            initialized = rows * count
        }
    }
}

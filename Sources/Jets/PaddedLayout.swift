import HDF5

/// The datasets of a padded file, found to fit together.
package struct PaddedLayout: ~Copyable, Sendable {
    let features: Dataset
    let identities: Dataset
    let mask: Dataset
    let labels: Dataset
    let classNames: [String]
    /// The number of jets.
    var count: Int { features.shape[0] }
    /// The number of constituents that a jet has room for.
    var slots: Int { features.shape[1] }
    /// See `JetFile.blockRows`.
    var blockRows: Int { Self.blockRows(chunk: features.chunks?[0] ?? 1) }

    private init(
        features: consuming Dataset, identities: consuming Dataset, mask: consuming Dataset,
        labels: consuming Dataset, classNames: [String]
    ) {
        self.features = features
        self.identities = identities
        self.mask = mask
        self.labels = labels
        self.classNames = classNames
    }

    /// Finds and checks the datasets. Throws `JetError` with what is wrong.
    init(path: String, root: borrowing Group) throws {
        for name in ["csts", "csts_id", "mask", "labels"] where !root.contains(name) {
            throw JetError(
                "dataset /\(name) is missing in \(path); a file of jets has /csts, /csts_id, /mask and "
                    + "/labels: name another file, or convert this one")
        }
        let features = try root.dataset("csts")
        let identities = try root.dataset("csts_id")
        let mask = try root.dataset("mask")
        let labels = try root.dataset("labels")

        let shape = features.shape
        let width = JetFeatures.allNames.count
        guard shape.count == 3, shape[2] == width, shape[1] > 0 else {
            throw Self.misfit(
                path, features,
                "jets × constituents × the \(width) features "
                    + JetFeatures.allNames.joined(separator: ", "))
        }
        guard shape[0] > 0 else { throw JetError("\(path) holds no jets; leave it out") }
        guard identities.shape == [shape[0], shape[1]] else {
            throw Self.misfit(path, identities, "\([shape[0], shape[1]]) as in /csts")
        }
        guard mask.shape == [shape[0], shape[1]] else {
            throw Self.misfit(path, mask, "\([shape[0], shape[1]]) as in /csts")
        }
        guard labels.shape == [shape[0]] else { throw Self.misfit(path, labels, "\([shape[0]]) as in /csts") }
        if root.contains("jets") {
            let jets = try root.dataset("jets")
            guard jets.shape.first == shape[0] else {
                throw Self.misfit(path, jets, "\(shape[0]) rows as in /csts")
            }
        }
        try Self.require(path, features, [.float32, .float64], "floating-point numbers")
        try Self.require(path, identities, Self.integers, "integers")
        try Self.require(path, mask, Self.integers + [.boolean], "booleans")
        try Self.require(path, labels, Self.integers, "integers")

        if features.hasAttribute("names") {
            let names = try features.stringsAttribute("names")
            guard names == JetFeatures.allNames else {
                throw JetError(
                    "/csts in \(path) holds the features \(names.joined(separator: ", ")), not "
                        + "\(JetFeatures.allNames.joined(separator: ", ")): write the file again so")
            }
        }
        let classNames = labels.hasAttribute("names") ? try labels.stringsAttribute("names") : []
        self.init(
            features: features, identities: identities, mask: mask, labels: labels, classNames: classNames)
    }

    /// The number of jets to read at once: whole chunks, about a thousand jets where chunks are small, and
    /// not more than memory can bear many times where they are large.
    package static func blockRows(chunk: Int) -> Int {
        chunk <= 1000 ? 1000 / max(chunk, 1) * max(chunk, 1) : min(chunk, 4096)
    }

    private static let integers: [ElementType] = [
        .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
    ]

    private static func misfit(_ path: String, _ dataset: borrowing Dataset, _ expected: String) -> JetError {
        JetError(
            "\(dataset.path) in \(path) has the shape \(dataset.shape), not \(expected): "
                + "write the file again")
    }

    private static func require(
        _ path: String, _ dataset: borrowing Dataset, _ types: [ElementType], _ expected: String
    ) throws {
        guard types.contains(dataset.elementType) else {
            throw JetError(
                "\(dataset.path) in \(path) is of type \(dataset.elementType), not of \(expected): "
                    + "write the file again")
        }
    }
}

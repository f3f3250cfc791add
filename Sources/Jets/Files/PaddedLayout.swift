import HDF5

/// The datasets of a padded file, checked for consistency.
struct PaddedLayout: ~Copyable, Sendable {
    let features: Dataset
    /// The columns of `features`.
    let stored: StoredFeatures
    let identities: Dataset
    let mask: Dataset
    let labels: JetLabels
    /// The number of jets.
    var count: Int { features.shape[0] }
    /// The number of slots of a jet.
    var slots: Int { features.shape[1] }
    /// True if a dataset is virtual.
    var isVirtual: Bool { features.isVirtual || identities.isVirtual || mask.isVirtual || labels.isVirtual }
    /// See `JetFile.blockRows`.
    var blockRows: Int { JetFileRules.blockRows(chunk: features.chunks?[0] ?? 1) }

    private init(
        features: consuming Dataset, stored: StoredFeatures, identities: consuming Dataset, mask: consuming Dataset,
        labels: consuming JetLabels
    ) {
        self.features = features
        self.stored = stored
        self.identities = identities
        self.mask = mask
        self.labels = labels
    }

    /// Opens and checks the datasets. Throws `JetError` if the file cannot be used.
    init(path: String, root: borrowing Group, reading: JetReading) throws {
        try JetFileRules.checkExist(
            PaddedFile.datasetNames, path, root,
            "a file of jets has /csts, /csts_id, /mask and /labels: name another file, or convert this one")
        let features = try root.dataset("csts")
        let identities = try root.dataset("csts_id")
        let mask = try root.dataset("mask")

        let shape = features.shape
        guard shape.count == 3, shape[2] > 0, shape[1] > 0 else {
            throw JetFileRules.misfit(path, features, "jets × constituents × features")
        }
        let stored = try StoredFeatures(
            features, identities: identities, path: path, rows: "jets × constituents", wanted: reading.features)
        guard shape[1] <= JetFileRules.maxConstituents else {
            throw JetError(
                "/csts in \(path) has \(shape[1]) slots per jet; at most \(JetFileRules.maxConstituents) can "
                    + "be read: write the file again with the leading constituents")
        }
        guard shape[0] > 0 else { throw JetError("\(path) holds no jets; leave it out") }
        guard identities.shape == [shape[0], shape[1]] else {
            throw JetFileRules.misfit(path, identities, "\([shape[0], shape[1]]) as in /csts")
        }
        guard mask.shape == [shape[0], shape[1]] else {
            throw JetFileRules.misfit(path, mask, "\([shape[0], shape[1]]) as in /csts")
        }
        let labels = try JetLabels(path: path, root: root, count: shape[0], as: "/csts", names: reading.classNames)
        try JetFileRules.checkJets(path, root, count: shape[0], as: "/csts")
        try JetFileRules.require(path, features, [.float16, .float32, .float64], "floating-point numbers")
        try JetFileRules.require(path, identities, JetFileRules.integers, "integers")
        try JetFileRules.require(path, mask, JetFileRules.integers + [.boolean], "booleans")
        try features.checkFilters()
        try identities.checkFilters()
        try mask.checkFilters()
        self.init(features: features, stored: stored, identities: identities, mask: mask, labels: labels)
    }

    /// Throws `JetError` if rows were not stored.
    func checkStorage(_ path: String) throws {
        try JetFileRules.checkStorage(path, features, .slots)
        try JetFileRules.checkStorage(path, identities, .slots)
        try JetFileRules.checkStorage(path, mask, .slotsOfZeros)
        try labels.checkStorage()
    }
}

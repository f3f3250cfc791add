import HDF5

/// The datasets of a packed file, checked for consistency.
struct PackedLayout: ~Copyable, Sendable {
    let offsets: Dataset
    let features: Dataset
    /// The columns of `features`.
    let stored: StoredFeatures
    let identities: Dataset
    let labels: JetLabels
    /// The number of jets.
    var count: Int { offsets.shape[0] - 1 }
    /// The number of constituents.
    var constituents: Int { features.shape[0] }
    /// True if a dataset is virtual.
    var isVirtual: Bool { offsets.isVirtual || features.isVirtual || identities.isVirtual || labels.isVirtual }
    /// See `JetFile.blockRows`. Blocks are aligned to the chunks of `labels`; chunks of constituents cannot be aligned.
    /// Blocks of events with many constituents have fewer rows, about 4 MB.
    var blockRows: Int {
        let bytes = constituents / max(count, 1) * stored.features.storedCount * 4
        return min(JetFileRules.blockRows(chunk: labels.chunk), max(1, (4 << 20) / max(bytes, 1)))
    }

    private init(
        offsets: consuming Dataset, features: consuming Dataset, stored: StoredFeatures, identities: consuming Dataset,
        labels: consuming JetLabels
    ) {
        self.offsets = offsets
        self.features = features
        self.stored = stored
        self.identities = identities
        self.labels = labels
    }

    /// Opens and checks the datasets, but of the offsets only the first and the last. Throws `JetError` if the file
    /// cannot be used.
    init(path: String, root: borrowing Group, reading: JetReading) throws {
        try JetFileRules.checkExist(
            PackedFile.datasetNames, path, root,
            "a packed file of jets has /offsets, /csts, /csts_id and /labels: name another file, or pack this one again"
        )
        let offsets = try root.dataset("offsets")
        let features = try root.dataset("csts")
        let identities = try root.dataset("csts_id")
        guard offsets.shape.count == 1, offsets.shape[0] > 0 else {
            throw JetFileRules.misfit(path, offsets, "the number of jets + 1")
        }
        guard features.shape.count == 2, features.shape[1] > 0 else {
            throw JetFileRules.misfit(path, features, "constituents × features")
        }
        let stored = try StoredFeatures(
            features, identities: identities, path: path, rows: "constituents", wanted: reading.features)
        let (jets, constituents) = (offsets.shape[0] - 1, features.shape[0])
        guard jets > 0 else { throw JetError("\(path) holds no jets; leave it out") }
        guard identities.shape == [constituents] else {
            throw JetFileRules.misfit(path, identities, "\([constituents]) as in /csts")
        }
        let labels = try JetLabels(path: path, root: root, count: jets, as: "/offsets", names: reading.classNames)
        try JetFileRules.checkJets(path, root, count: jets, as: "/offsets")
        try JetFileRules.require(path, offsets, JetFileRules.integers, "integers")
        try JetFileRules.require(path, features, [.float16, .float32, .float64], "floating-point numbers")
        try JetFileRules.require(path, identities, JetFileRules.integers, "integers")
        try offsets.checkFilters()
        try features.checkFilters()
        try identities.checkFilters()

        var ends = [0, 0]
        try ends.withUnsafeMutableBufferPointer { ends in
            try offsets.read(rows: 0..<1, into: UnsafeMutableBufferPointer(rebasing: ends[0..<1]))
            try offsets.read(rows: jets..<jets + 1, into: UnsafeMutableBufferPointer(rebasing: ends[1..<2]))
        }
        guard ends == [0, constituents] else {
            throw JetError(
                "/offsets in \(path) goes from \(ends[0]) to \(ends[1]), not from 0 to \(constituents), the "
                    + "number of constituents in /csts: pack the file again")
        }
        self.init(offsets: offsets, features: features, stored: stored, identities: identities, labels: labels)
    }

    /// The first constituent of each jet and the end of the last one, `rows.count + 1` numbers.
    ///
    /// Throws `HDF5Error`, or `JetError` if the offsets fall or exceed the number of constituents.
    func readOffsets(_ rows: Range<Int>, path: String) throws -> [Int] {
        let starts = try [Int](unsafeUninitializedCapacity: rows.count + 1) { buffer, initialized in
            try offsets.read(
                rows: rows.lowerBound..<rows.upperBound + 1,
                into: UnsafeMutableBufferPointer(rebasing: buffer[..<(rows.count + 1)]))
            initialized = rows.count + 1
        }
        for (index, start) in starts.enumerated() {
            let previous = index == 0 ? 0 : starts[index - 1]
            guard start >= previous, start <= constituents else {
                throw JetError(
                    "\(path): /offsets, row \(rows.lowerBound + index) is \(start), but offsets rise from 0 "
                        + "to \(constituents), and the one before is \(previous): pack the file again")
            }
            guard index == 0 || start - previous <= JetFileRules.maxConstituents else {
                throw JetError(
                    "\(path): row \(rows.lowerBound + index - 1) has \(start - previous) constituents; "
                        + "at most \(JetFileRules.maxConstituents) can be read: pack the file again")
            }
        }
        return starts
    }

    /// Throws `JetError` if rows were not stored.
    func checkStorage(_ path: String) throws {
        try JetFileRules.checkStorage(path, offsets)
        try JetFileRules.checkStorage(path, features)
        try JetFileRules.checkStorage(path, identities)
        try labels.checkStorage()
    }
}

import HDF5

extension JetBlock {
    /// The same jets with the constituents of each in decreasing order of pT, as files have them.
    package func sortedByMomentum() -> JetBlock {
        let order = ConstituentOrder(offsets, values: values, width: width, maximum: .max)
        return JetBlock(
            offsets: offsets, values: order.kept(values, width: width),
            identities: order.kept(identities), labels: labels,
            constituentLabels: constituentLabels.map { order.kept($0) }, features: features)
    }

    /// Writes the constituents in the packed format: `offsets`, `csts` and, if identities are known, `csts_id`. Throws
    /// `HDF5Error`.
    package func writeConstituents(to group: borrowing Group, hasIdentities: Bool = true) throws {
        let filters = Filters(deflate: 4, shuffle: true, fletcher32: true)
        func write<T: HDF5Scalar>(
            _ values: [T], _ name: String, _ type: ElementType, rowShape: [Int] = [], names: [String]? = nil
        ) throws {
            let rows = values.count / rowShape.reduce(1, *)
            let dataset = try group.createDataset(
                name, of: type, shape: [rows] + rowShape,
                chunks: [max(1, min(rows, JetPacker.constituentsPerChunk))] + rowShape, filters: filters)
            try values.withUnsafeBufferPointer { try dataset.write(rows: 0..<rows, from: $0) }
            if let names { try dataset.setAttribute("names", to: names) }
        }
        try write(offsets.values.map { Int($0) }, "offsets", .int64)
        try write(
            values, "csts", .float32, rowShape: [width], names: features.storedNames)
        if hasIdentities { try write(identities, "csts_id", .uint8, names: features.identities.names) }
    }

    /// Writes a packed file of the jets. Throws `HDF5Error`.
    ///
    /// - Parameter classNames: names of the classes by label.
    package func write(to root: borrowing Group, classNames: [String], creator: String) throws {
        try writeConstituents(to: root)
        try root.write(labels, as: "labels")
        if !classNames.isEmpty { try root.dataset("labels").setAttribute("names", to: classNames) }
        try root.setAttribute("layout", to: "kaon packed")
        try root.setAttribute("layout_version", to: 1)
        try root.setAttribute("created_by", to: creator)
        try root.setAttribute("max_constituents", to: (0..<count).map { offsets[$0].count }.max() ?? 0)
    }
}

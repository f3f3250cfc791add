import HDF5

extension JetBlock {
    /// Jets that were made and not read: all seven features a constituent as stored.
    ///
    /// - Parameters:
    ///   - counts: the number of constituents of each jet.
    ///   - sorts: whether constituents are put into the order of decreasing pT, as files have them.
    package init(counts: [Int], values: [Float], identities: [Int32], labels: [Int32], sorts: Bool = false) {
        let width = JetFeatures.allNames.count
        var offsets: [Int32] = [0]
        for count in counts { offsets.append(offsets[offsets.count - 1] + Int32(count)) }
        var order = Array(identities.indices)
        if sorts {
            for jet in counts.indices {
                order[Int(offsets[jet])..<Int(offsets[jet + 1])].sort {
                    values[$0 * width] > values[$1 * width]
                }
            }
        }
        self.init(
            offsets: offsets, values: order.flatMap { values[$0 * width..<($0 + 1) * width] },
            identities: order.map { UInt8(identities[$0]) }, labels: labels)
    }

    /// Writes the constituents in the packed layout: `offsets`, `csts`, and `csts_id` unless they are not
    /// known. Throws `HDF5Error`.
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
        try write(offsets.map { Int($0) }, PackedLayout.mark, .int64)
        try write(
            values, "csts", .float32, rowShape: [JetFeatures.allNames.count], names: JetFeatures.allNames)
        if hasIdentities { try write(identities, "csts_id", .uint8, names: JetFeatures.identityNames) }
    }

    /// Writes a packed file of the jets. Throws `HDF5Error`.
    ///
    /// - Parameter classNames: the names of the classes by label.
    package func write(to root: borrowing Group, classNames: [String], creator: String) throws {
        try writeConstituents(to: root)
        try root.write(labels, as: "labels")
        if !classNames.isEmpty { try root.dataset("labels").setAttribute("names", to: classNames) }
        try root.setAttribute("layout", to: "kaon packed")
        try root.setAttribute("layout_version", to: 1)
        try root.setAttribute("created_by", to: creator)
        try root.setAttribute(
            "max_constituents", to: zip(offsets, offsets.dropFirst()).map { Int($1 - $0) }.max() ?? 0)
    }
}

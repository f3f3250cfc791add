import HDF5

/// An array of numbers that a preprocessing was fitted to, row-major: `means` [F], `quantiles` [Q, F].
///
/// Checkpoints (HDF5) and exported models (safetensors) hold the same arrays under the same names.
package struct FittedArray: Sendable, Equatable {
    package let name: String
    package let shape: [Int]
    package let values: [Double]

    package init(name: String, shape: [Int], values: [Double]) {
        self.name = name
        self.shape = shape
        self.values = values
    }

    /// Throws `JetError` unless the array consists of at least `minimum` and at most `maximum` rows of `columns`
    /// numbers.
    func checkRows(columns: Int, minimum: Int, maximum: Int = .max) throws {
        guard shape.last == columns, values.count % columns == 0,
            minimum...maximum ~= values.count / columns
        else {
            let rows = minimum == maximum ? "\(minimum)" : "at least \(minimum)"
            throw JetError(
                "the array '\(name)' of the stored preprocessing has the shape \(shape), not \(rows) × \(columns) "
                    + "(features)")
        }
    }
}

extension Preprocessing {
    /// Writes the attribute `features`, and `identities` unless they are those of particles, and a dataset of doubles
    /// for each array into a group, with checksums. Throws `HDF5Error`.
    package func save(to group: borrowing Group) throws {
        try group.setAttribute("features", to: features.names)
        if features.identities != .particles {
            try group.setAttribute("identities", to: features.identities.names)
        }
        try group.sealAttributes()
        for array in arrays { try group.writeVerified(array.values, shape: array.shape, as: array.name) }
    }

    /// Rebuilds a preprocessing of this kind from a group that `save(to:)` wrote. Throws `HDF5Error`, or `JetError` if
    /// the contents do not fit.
    package init(from group: borrowing Group) throws {
        try group.verifyAttributes()
        let identities =
            group.hasAttribute("identities")
            ? try Identities(group.stringsAttribute("identities")) : .particles
        let features = try JetFeatures(try group.stringsAttribute("features"), identities)
        var arrays: [FittedArray] = []
        for name in Self.arrayNames {
            let dataset = try group.dataset(name)
            arrays.append(FittedArray(name: name, shape: dataset.shape, values: try dataset.readVerified()))
        }
        try self.init(features: features, arrays: arrays)
    }
}

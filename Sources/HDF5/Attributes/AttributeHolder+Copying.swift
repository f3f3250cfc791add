extension AttributeHolder where Self: ~Copyable {
    /// Copies the attributes to another object as they are stored, except those that cannot be copied. Throws
    /// `HDF5Error`.
    package func copyAttributes<Target: AttributeHolder & ~Copyable>(
        to target: borrowing Target, except: Set<String> = []
    ) throws {
        let others = except.union(attributesThatCannotBeCopied())
        for name in try attributeNames where !others.contains(name) {
            let writer = AttributeWriter(target.attributeOwner, name)
            try AttributeReader(attributeOwner, name).withStored { try writer.write(stored: $0, type: $1, space: $2) }
        }
    }

    /// The names of the attributes that refer to objects of the file, or cannot be read.
    package func attributesThatCannotBeCopied() -> [String] {
        ((try? attributeNames) ?? []).filter { name in
            (try? AttributeReader(attributeOwner, name).withStored { _, _, _ in }) == nil
        }
    }
}

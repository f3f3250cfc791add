// HDF5 has checksums of chunks and of most of its metadata, but none of the index of chunks and of the texts of
// attributes. Additional checksums of the values, stored as attributes, cover these.

extension Dataset {
    /// The name of the attribute with the checksum of all elements.
    private static let checksum = "checksum"

    /// Reads all elements and verifies the checksum of `Group.writeVerified`, if there is one. Throws `HDF5Error`.
    package func readVerified<T: HDF5Scalar>(into buffer: UnsafeMutableBufferPointer<T>) throws {
        try readAll(into: buffer)
        // Not `hasAttribute`, which is false for a damaged attribute, too.
        guard try attributeNames.contains(Self.checksum) else { return }
        var found = Checksum()
        found.add(UnsafeBufferPointer(buffer))
        guard T.elementType == elementType, try intAttribute(Self.checksum) == Int(bitPattern: found) else {
            throw HDF5Error(
                operation: "read \(place)", reason: "the values differ from those that were written")
        }
    }

    /// All elements, verified as by `readVerified(into:)`. Throws `HDF5Error`.
    package func readVerified<T: HDF5Scalar>() throws -> [T] {
        try checkIsStored()
        let count = shape.reduce(1, *)
        return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
            try readVerified(into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initialized = count
        }
    }

    fileprivate func writeVerified<T: HDF5Scalar>(_ values: UnsafeBufferPointer<T>) throws {
        try writeAll(values)
        var checksum = Checksum()
        checksum.add(values)
        try setAttribute(Self.checksum, to: Int(bitPattern: checksum))
    }

    /// Reads and verifies the elements, of any supported type.
    fileprivate func verify() throws {
        func verify<T: HDF5Scalar>(_: T.Type) throws { _ = try readVerified() as [T] }
        switch elementType {
        case .float32: try verify(Float.self)
        case .float64: try verify(Double.self)
        case .int32: try verify(Int32.self)
        case .int64: try verify(Int.self)
        default: throw HDF5Error(operation: "read \(place)", reason: "it is of type \(elementType)")
        }
    }
}

extension Group {
    /// The maximum size of a chunk [bytes].
    private static let largestChunk = 1 << 30

    /// Creates a dataset of `values`, row-major, with checksums: Fletcher-32 of every chunk, and one of all elements in
    /// an attribute. For files of one process. Throws `HDF5Error`.
    package func writeVerified<T: HDF5Scalar>(
        _ values: UnsafeBufferPointer<T>, shape: [Int], as name: String
    ) throws {
        let rowBytes = max(1, shape.dropFirst().reduce(MemoryLayout<T>.stride, *))
        let chunk = shape.isEmpty ? nil : [max(1, min(shape[0], Self.largestChunk / rowBytes))] + shape.dropFirst()
        let dataset = try createDataset(
            name, of: T.elementType, shape: shape, chunks: chunk, filters: Filters(fletcher32: true))
        try dataset.writeVerified(values)
    }

    /// Creates a dataset of `values` with checksums. For files of one process. Throws `HDF5Error`.
    package func writeVerified<T: HDF5Scalar>(_ values: [T], shape: [Int], as name: String) throws {
        try values.withUnsafeBufferPointer { try writeVerified($0, shape: shape, as: name) }
    }

    /// All elements of a dataset, verified with the checksum of `writeVerified`. Throws `HDF5Error`.
    package func readVerified<T: HDF5Scalar>(_ name: String, as type: T.Type) throws -> [T] {
        try dataset(name).readVerified()
    }

    /// Reads all objects in the group and its subgroups and verifies their checksums, where they have any. Throws
    /// `HDF5Error`, which names the damaged object.
    package func verify() throws {
        var objects = 0
        try verify(depth: 0, &objects)
    }

    private func verify(depth: Int, _ objects: inout Int) throws {
        // A damaged link may form a cycle.
        guard depth <= 16, objects < 1 << 20 else {
            throw HDF5Error(operation: "read \(path)", reason: "the groups are nested without end")
        }
        try verifyAttributes()
        for child in try children {
            objects += 1
            switch child.kind {
            case .group: try group(child.name).verify(depth: depth + 1, &objects)
            case .dataset: try dataset(child.name).verify()
            case .other:
                throw HDF5Error(operation: "open \(path)/\(child.name)", reason: "neither group nor dataset")
            }
        }
    }
}

extension AttributeHolder where Self: ~Copyable {
    /// Stores a checksum of the names and values of all attributes in the attribute `attributes_checksum`. To be called
    /// after the last attribute is set. Throws `HDF5Error`.
    package func sealAttributes() throws {
        try setAttribute(seal, to: Int(bitPattern: checksumOfAttributes()))
    }

    /// Verifies the checksum of `sealAttributes()`, if there is one. Throws `HDF5Error`.
    package func verifyAttributes() throws {
        guard try attributeNames.contains(seal) else { return }
        guard try intAttribute(seal) == Int(bitPattern: checksumOfAttributes()) else {
            throw HDF5Error(
                operation: "read the attributes of \(attributeOwner.place)",
                reason: "they differ from those that were written")
        }
    }

    private func checksumOfAttributes() throws -> Checksum {
        var checksum = Checksum()
        for name in try attributeNames where name != seal {
            checksum.add(name)
            try AttributeReader(attributeOwner, name).add(to: &checksum)
        }
        return checksum
    }
}

/// The name of the attribute with the checksum of the others.
private let seal = "attributes_checksum"

extension Int {
    fileprivate init(bitPattern checksum: Checksum) { self.init(bitPattern: UInt(checksum.value)) }
}

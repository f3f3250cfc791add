// What HDF5 verifies by itself, checksums of chunks and of most of its own tables, leaves gaps: the index of
// the chunks and the texts of attributes have none. A checksum of the values beside them closes the gaps.

extension Dataset {
    /// The attribute with the checksum of all values.
    private static let checksum = "checksum"

    /// Reads all elements and compares them with the checksum that `Group.writeVerified` left; a dataset
    /// without one is only read. Throws `HDF5Error`.
    package func readVerified<T: HDF5Scalar>(into buffer: UnsafeMutableBufferPointer<T>) throws {
        try readAll(into: buffer)
        // To ask for the one attribute would take damage for its absence.
        guard try attributeNames.contains(Self.checksum) else { return }
        var found = Checksum()
        found.add(UnsafeBufferPointer(buffer))
        guard T.elementType == elementType, try intAttribute(Self.checksum) == Int(bitPattern: found) else {
            throw HDF5Error(
                operation: "read \(place)", reason: "the values are not those that were written")
        }
    }

    /// All elements, compared as `readVerified(into:)` does. Throws `HDF5Error`.
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

    /// Reads and compares the values, whatever they are.
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
    /// The most bytes that are stored, and read, as one.
    private static let largestChunk = 1 << 30

    /// Makes a dataset of `values`, row-major, whose damage shows: its chunks carry Fletcher-32 checksums, and
    /// an attribute a checksum of the whole. For files of one process. Throws `HDF5Error`.
    package func writeVerified<T: HDF5Scalar>(
        _ values: UnsafeBufferPointer<T>, shape: [Int], as name: String
    ) throws {
        let rowBytes = max(1, shape.dropFirst().reduce(MemoryLayout<T>.stride, *))
        let chunk = shape.isEmpty ? nil : [max(1, min(shape[0], Self.largestChunk / rowBytes))] + shape.dropFirst()
        let dataset = try createDataset(
            name, of: T.elementType, shape: shape, chunks: chunk, filters: Filters(fletcher32: true))
        try dataset.writeVerified(values)
    }

    /// Makes a dataset as the other `writeVerified` does. Throws `HDF5Error`.
    package func writeVerified<T: HDF5Scalar>(_ values: [T], shape: [Int], as name: String) throws {
        try values.withUnsafeBufferPointer { try writeVerified($0, shape: shape, as: name) }
    }

    /// All elements of a dataset, compared with the checksum that `writeVerified` left. Throws `HDF5Error`.
    package func readVerified<T: HDF5Scalar>(_ name: String, as type: T.Type) throws -> [T] {
        try dataset(name).readVerified()
    }

    /// Reads everything in the group and in those below, and compares it with its checksums; what was written
    /// without is only read. Throws `HDF5Error` that names what is damaged.
    package func verify() throws {
        var objects = 0
        try verify(depth: 0, &objects)
    }

    private func verify(depth: Int, _ objects: inout Int) throws {
        // A damaged link may lead back up.
        guard depth <= 16, objects < 1 << 20 else {
            throw HDF5Error(operation: "read \(path)", reason: "the groups do not end")
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
    /// Leaves a checksum of the names and values of all attributes as the attribute `attributes_checksum`; to
    /// be called after the last of them is set. Throws `HDF5Error`.
    package func sealAttributes() throws {
        try setAttribute(seal, to: Int(bitPattern: checksumOfAttributes()))
    }

    /// Compares the attributes with the checksum that `sealAttributes()` left, if there is one. Throws
    /// `HDF5Error`.
    package func verifyAttributes() throws {
        guard try attributeNames.contains(seal) else { return }
        guard try intAttribute(seal) == Int(bitPattern: checksumOfAttributes()) else {
            throw HDF5Error(
                operation: "read the attributes of \(attributeOwner.place)",
                reason: "they are not those that were written")
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

/// The attribute with the checksum of the others.
private let seal = "attributes_checksum"

extension Int {
    fileprivate init(bitPattern checksum: Checksum) { self.init(bitPattern: UInt(checksum.value)) }
}

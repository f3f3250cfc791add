internal import CHDF5

/// An attribute opened for reading.
struct AttributeReader: ~Copyable {
    private let handle: Handle
    private let operation: String
    private let type: Handle
    private let space: Handle
    private let elementType: ElementType
    private let count: Int

    /// Larger attributes are taken for damage [bytes].
    private static let maximumBytes = 1 << 28

    init(_ owner: AttributeOwner, _ name: String) throws {
        let operation = "read attribute '\(name)' of \(owner.place)"
        guard HDF5Library.locked({ H5Aexists(owner.id, name) != 0 }) else {
            throw HDF5Error(operation: operation, reason: "the attribute does not exist")
        }
        let handle = try Handle(operation, closedBy: H5Aclose) { H5Aopen(owner.id, name, kaon_H5P_DEFAULT()) }
        let type = try Handle(operation, closedBy: H5Tclose) { H5Aget_type(handle.id) }
        let space = try Handle(operation, closedBy: H5Sclose) { H5Aget_space(handle.id) }
        let values = Int(try HDF5Library.call(operation) { H5Sget_simple_extent_npoints(space.id) })
        let (bytes, overflows) = values.multipliedReportingOverflow(
            by: max(8, HDF5Library.locked { Int(clamping: H5Tget_size(type.id)) }))
        guard !overflows, bytes <= Self.maximumBytes else {
            throw HDF5Error(
                operation: operation, reason: "it has \(values) values, more than an attribute can have")
        }
        count = values
        elementType = ElementType(typeID: type.id)
        self.operation = operation
        self.handle = handle
        self.type = type
        self.space = space
    }

    /// The only element of `values`. Throws `HDF5Error` if the attribute has more or none.
    func single<T>(_ values: (borrowing AttributeReader) throws -> [T]) throws -> T {
        guard count == 1 else {
            throw HDF5Error(operation: operation, reason: "it has \(count) values, not one")
        }
        return try values(self)[0]
    }

    func integers() throws -> [Int] {
        guard elementType.isInteger else { throw mismatch("integer") }
        return try numbers()
    }

    func doubles() throws -> [Double] {
        guard elementType.isNumeric else { throw mismatch("number") }
        return try numbers()
    }

    func strings() throws -> [String] {
        guard elementType == .string else { throw mismatch("string") }
        let isVariable = try HDF5Library.call(operation) { H5Tis_variable_str(type.id) } > 0
        return try isVariable ? variableStrings() : fixedStrings()
    }

    /// Reads the elements as they are stored, with their type and dataspace. Throws `HDF5Error` if they refer to
    /// objects of the file.
    func withStored(_ body: (_ elements: UnsafeRawPointer, _ type: hid_t, _ space: hid_t) throws -> Void) throws {
        guard try HDF5Library.call(operation, { H5Tdetect_class(type.id, H5T_REFERENCE) }) == 0 else {
            throw HDF5Error(operation: operation, reason: "it refers to objects of the file")
        }
        // A copy, because the type may be an object of the file.
        let copy = try Handle(operation, closedBy: H5Tclose) { H5Tcopy(type.id) }
        let bytes = max(1, count * HDF5Library.locked { H5Tget_size(copy.id) })
        let elements = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 16)
        defer { elements.deallocate() }
        guard count > 0 else { return try body(elements, copy.id, space.id) }
        try HDF5Library.call(operation) { CrashGuard.limited { H5Aread(handle.id, copy.id, elements) } }
        // Texts and lists of variable length, which the library allocates.
        defer { HDF5Library.locked { _ = H5Dvlen_reclaim(copy.id, space.id, kaon_H5P_DEFAULT(), elements) } }
        try body(elements, copy.id, space.id)
    }

    /// Adds the values to a checksum.
    func add(to checksum: inout Checksum) throws {
        if elementType == .string {
            for text in try strings() { checksum.add(text) }
        } else if elementType.isInteger {
            try integers().withUnsafeBufferPointer { checksum.add($0) }
        } else {
            try doubles().withUnsafeBufferPointer { checksum.add($0) }
        }
    }

    private func numbers<T: HDF5Scalar>() throws -> [T] {
        let memoryType = try T.elementType.makeType(operation)
        return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
            if count > 0 {
                try HDF5Library.call(operation) { H5Aread(handle.id, memoryType.id, buffer.baseAddress) }
            }
            initialized = count
        }
    }

    /// Texts of variable length, which the library allocates and frees.
    private func variableStrings() throws -> [String] {
        guard count > 0 else { return [] }
        var texts = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
        try HDF5Library.call(operation) { CrashGuard.limited { H5Aread(handle.id, type.id, &texts) } }
        defer { HDF5Library.locked { _ = H5Dvlen_reclaim(type.id, space.id, kaon_H5P_DEFAULT(), &texts) } }
        return texts.map { $0.map { String(cString: $0) } ?? "" }
    }

    /// Texts of fixed length, padded with zeros or spaces.
    private func fixedStrings() throws -> [String] {
        guard count > 0 else { return [] }
        let size = HDF5Library.locked { H5Tget_size(type.id) }
        let isSpacePadded = HDF5Library.locked { H5Tget_strpad(type.id) == H5T_STR_SPACEPAD }
        var bytes = [UInt8](repeating: 0, count: count * size)
        try HDF5Library.call(operation) { H5Aread(handle.id, type.id, &bytes) }
        return (0..<count).map { index in
            var text = bytes[index * size..<(index + 1) * size].prefix { $0 != 0 }
            while isSpacePadded, text.last == UInt8(ascii: " ") { text.removeLast() }
            return String(decoding: text, as: UTF8.self)
        }
    }

    private func mismatch(_ expected: String) -> HDF5Error {
        HDF5Error(operation: operation, reason: "it is of type \(elementType), not \(expected)")
    }
}

internal import CHDF5

/// Sets an attribute, replacing one of the same name.
struct AttributeWriter {
    private let owner: AttributeOwner
    private let name: String
    private let operation: String

    init(_ owner: AttributeOwner, _ name: String) {
        self.owner = owner
        self.name = name
        operation = "set attribute '\(name)' of \(owner.place)"
    }

    func write<T: HDF5Scalar>(_ numbers: [T], shape: [Int]) throws {
        let type = try T.elementType.makeType(operation)
        let attribute = try create(type.id, shape: shape)
        if !numbers.isEmpty { try HDF5Library.call(operation) { H5Awrite(attribute.id, type.id, numbers) } }
    }

    /// Writes texts of variable length in UTF-8, zero-terminated.
    func write(_ texts: [String], shape: [Int]) throws {
        guard !texts.contains(where: { $0.utf8.contains(0) }) else {
            throw HDF5Error(operation: operation, reason: "a text that contains a zero byte cannot be stored")
        }
        let type = try Handle(operation, closedBy: H5Tclose) { H5Tcopy(kaon_H5T_C_S1()) }
        try HDF5Library.call(operation) { H5Tset_size(type.id, kaon_H5T_VARIABLE()) }
        try HDF5Library.call(operation) { H5Tset_cset(type.id, H5T_CSET_UTF8) }
        let attribute = try create(type.id, shape: shape)
        guard !texts.isEmpty else { return }

        // All texts in one buffer, and their offsets.
        var bytes: [UInt8] = []
        let offsets = texts.map { text in
            defer { bytes += Array(text.utf8) + [0] }
            return bytes.count
        }
        try bytes.withUnsafeBufferPointer { bytes in
            let pointers = offsets.map { bytes.baseAddress! + $0 }
            _ = try HDF5Library.call(operation) { H5Awrite(attribute.id, type.id, pointers) }
        }
    }

    /// Writes elements of any type.
    func write(stored elements: UnsafeRawPointer, type: hid_t, space: hid_t) throws {
        let attribute = try create(type, space: space)
        if try HDF5Library.call(operation, { H5Sget_simple_extent_npoints(space) }) > 0 {
            try HDF5Library.call(operation) { H5Awrite(attribute.id, type, elements) }
        }
    }

    private func create(_ type: hid_t, shape: [Int]) throws -> Handle {
        let space = try Selection.makeSpace(shape, operation)
        return try create(type, space: space.id)
    }

    private func create(_ type: hid_t, space: hid_t) throws -> Handle {
        if try HDF5Library.call(operation, { H5Aexists(owner.id, name) }) > 0 {
            try HDF5Library.call(operation) { H5Adelete(owner.id, name) }
        }
        return try Handle(operation, closedBy: H5Aclose) {
            H5Acreate2(owner.id, name, type, space, kaon_H5P_DEFAULT(), kaon_H5P_DEFAULT())
        }
    }
}

internal import CHDF5

/// A group of an HDF5 file. Names of objects may be paths: `encoder/layers`, or `/model` from the root.
package struct Group: ~Copyable, Sendable, AttributeHolder {
    /// An object in a group.
    package struct Child: Equatable, Sendable {
        package enum Kind: Sendable { case group, dataset, other }

        /// The name within the group.
        package let name: String
        package let kind: Kind

        package init(name: String, kind: Kind) {
            self.name = name
            self.kind = kind
        }
    }

    /// The path of the group in its file.
    package var path: String { place.path }

    private let id: hid_t
    /// Nil for the root, whose identifier is that of the file.
    private let handle: Handle?
    private let place: Place

    package var attributeOwner: AttributeOwner { AttributeOwner(id: id, place: place) }

    init(rootOf file: OpenFile) {
        id = file.id
        handle = nil
        place = Place(path: "/", file: file)
    }

    private init(_ handle: consuming Handle, _ place: Place) {
        id = handle.id
        self.handle = consume handle
        self.place = place
    }

    // MARK: Groups

    /// Opens a group. Throws `HDF5Error`.
    package func group(_ name: String) throws -> Group {
        let place = place.appending(name)
        let handle = try Handle("open group \(place)", closedBy: H5Gclose) {
            CrashGuard.limited { H5Gopen2(id, name, kaon_H5P_DEFAULT()) }
        }
        return Group(handle, place)
    }

    /// Creates a group and its parents. Throws `HDF5Error`, also if it exists.
    package func createGroup(_ name: String) throws -> Group {
        try createParents(of: name)
        let place = place.appending(name)
        let operation = "create group \(place)"
        let links = try Self.makeLinkList(operation)
        let creation = try Handle(operation, closedBy: H5Pclose) { H5Pcreate(kaon_H5P_GROUP_CREATE()) }
        try HDF5Library.call(operation) { H5Pset_obj_track_times(creation.id, false) }
        let handle = try Handle(operation, closedBy: H5Gclose) {
            H5Gcreate2(id, name, links.id, creation.id, kaon_H5P_DEFAULT())
        }
        return Group(handle, place)
    }

    /// Creates the parents of `name` if needed. Those that the library creates by itself would store their time.
    private func createParents(of name: String) throws {
        guard let slash = name.lastIndex(of: "/"), slash > name.startIndex else { return }
        let parent = String(name[..<slash])
        if !contains(parent) { _ = try createGroup(parent) }
    }

    /// True if an object exists at the path.
    package func contains(_ path: String) -> Bool {
        if path == "/" { return true }
        // The library requires separate checks of every part of the path and of the targets of links.
        var prefix = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            prefix += prefix.isEmpty || prefix.hasSuffix("/") ? part : "/\(part)"
            let exists = HDF5Library.locked {
                H5Lexists(id, prefix, kaon_H5P_DEFAULT()) > 0
                    && H5Oexists_by_name(id, prefix, kaon_H5P_DEFAULT()) > 0
            }
            if !exists { return false }
        }
        return true
    }

    /// True if the group has a link of this name whose target does not exist or cannot be opened.
    package func isDanglingLink(_ name: String) -> Bool {
        !contains(name) && HDF5Library.locked { H5Lexists(id, name, kaon_H5P_DEFAULT()) > 0 }
    }

    /// The objects in the group, sorted by name. Throws `HDF5Error`.
    package var children: [Child] {
        get throws {
            let operation = "list \(place)"
            var info = H5G_info_t()
            try HDF5Library.call(operation) { H5Gget_info(id, &info) }
            var children: [Child] = []
            for index in 0..<info.nlinks { children.append(try child(at: index, operation)) }
            return children
        }
    }

    private func child(at index: hsize_t, _ operation: String) throws -> Child {
        let name = try name(operation) {
            H5Lget_name_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, index, $0, $1, kaon_H5P_DEFAULT())
        }
        guard contains(name) else { return Child(name: name, kind: .other) }
        let object = try Handle(operation, closedBy: H5Oclose) {
            CrashGuard.limited { H5Oopen(id, name, kaon_H5P_DEFAULT()) }
        }
        switch HDF5Library.locked({ H5Iget_type(object.id) }) {
        case H5I_GROUP: return Child(name: name, kind: .group)
        case H5I_DATASET: return Child(name: name, kind: .dataset)
        default: return Child(name: name, kind: .other)
        }
    }

    // MARK: Datasets

    /// Opens a dataset. Throws `HDF5Error`.
    package func dataset(_ name: String) throws -> Dataset {
        try Dataset(opening: name, in: id, place.appending(name))
    }

    /// Creates a dataset of zeros and its parents. Throws `HDF5Error`, also if the name is taken.
    ///
    /// - Parameters:
    ///   - shape: `[]` for a single value, which has neither chunks nor filters.
    ///   - chunks: nil for contiguous storage, or, with filters, for chunks of whole rows of about 1 MiB. Chunks are
    ///     limited to the shape.
    package func createDataset(
        _ name: String, of type: ElementType, shape: [Int], chunks: [Int]? = nil, filters: Filters = .none
    ) throws -> Dataset {
        let place = place.appending(name)
        try createParents(of: name)
        let links = try Self.makeLinkList("create dataset \(place)")
        return try Dataset(
            creating: name, in: id, place, links: links.id, of: type, shape: shape, chunks: chunks,
            filters: filters)
    }

    /// Creates a dataset of `values`, row-major, of one dimension by default. Throws `HDF5Error`.
    ///
    /// On a shared file, all ranks call it, and the values of rank 0 are written.
    package func write<T: HDF5Scalar>(_ values: [T], shape: [Int]? = nil, as name: String) throws {
        try values.withUnsafeBufferPointer { try write($0, shape: shape ?? [values.count], as: name) }
    }

    /// Creates a dataset of `values`, row-major. Throws `HDF5Error`.
    ///
    /// On a shared file, all ranks call it, and the values of rank 0 are written.
    package func write<T: HDF5Scalar>(_ values: UnsafeBufferPointer<T>, shape: [Int], as name: String) throws {
        let dataset = try createDataset(name, of: T.elementType, shape: shape)
        if place.file.communicator.map({ $0.rank == 0 }) ?? true { try dataset.writeAll(values) }
    }

    /// All elements of a dataset, row-major. Throws `HDF5Error`.
    package func read<T: HDF5Scalar>(_ name: String, as type: T.Type) throws -> [T] {
        try dataset(name).readAll()
    }

    private static func makeLinkList(_ operation: String) throws -> Handle {
        let list = try Handle(operation, closedBy: H5Pclose) { H5Pcreate(kaon_H5P_LINK_CREATE()) }
        try HDF5Library.call(operation) { H5Pset_char_encoding(list.id, H5T_CSET_UTF8) }
        return list
    }
}

/// The text that a function of the library returns: called once for its length, once for its bytes.
func name(
    _ operation: @autoclosure () -> String, _ function: (UnsafeMutablePointer<CChar>?, Int) -> Int
) throws -> String {
    let length = try HDF5Library.call(operation()) { function(nil, 0) }
    return try withUnsafeTemporaryAllocation(of: CChar.self, capacity: length + 1) { bytes in
        try HDF5Library.call(operation()) { function(bytes.baseAddress, length + 1) }
        return String(cString: bytes.baseAddress!)
    }
}

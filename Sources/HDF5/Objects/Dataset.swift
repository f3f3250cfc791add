internal import CHDF5
import System

/// An array of elements in a file.
package struct Dataset: ~Copyable, Sendable, AttributeHolder {
    /// The path of the dataset in its file.
    package var path: String { place.path }
    /// The extents, the leading dimension (rows) first; `[]` for a single value.
    package let shape: [Int]
    /// The type in the file.
    package let elementType: ElementType
    /// The extents of the chunks; nil for contiguous storage.
    package let chunks: [Int]?
    /// The filters of the chunks.
    package let filters: Filters

    let handle: Handle
    let place: Place
    /// True if the chunks have any filter, including those that are not in `Filters`.
    let isFiltered: Bool
    /// How the elements are stored.
    let layout: H5D_layout_t

    package var attributeOwner: AttributeOwner { AttributeOwner(id: handle.id, place: place) }

    /// The size of the elements in the file [bytes].
    package var storedBytes: Int { HDF5Library.locked { Int(clamping: H5Dget_storage_size(handle.id)) } }

    private init(_ handle: consuming Handle, _ place: Place) throws {
        let (id, operation) = (handle.id, "open dataset \(place)")
        let space = try Handle(operation, closedBy: H5Sclose) { H5Dget_space(id) }
        let type = try Handle(operation, closedBy: H5Tclose) { H5Dget_type(id) }
        let creation = try Handle(operation, closedBy: H5Pclose) { H5Dget_create_plist(id) }
        let rank = try HDF5Library.call(operation) { H5Sget_simple_extent_ndims(space.id) }
        let shape = try extents(rank, operation) { H5Sget_simple_extent_dims(space.id, $0, nil) }
        // A larger shape is damage or manipulation, and products of its extents would overflow.
        guard shape.reduce(1.0, { $0 * Double(max(1, $1)) }) < 0x1p56 else {
            throw HDF5Error(operation: operation, reason: "it has the impossible shape \(shape)")
        }
        let layout = HDF5Library.locked { H5Pget_layout(creation.id) }
        let chunks = layout == H5D_CHUNKED ? try extents(rank, operation) { H5Pget_chunk(creation.id, rank, $0) } : nil

        self.handle = handle
        self.place = place
        self.shape = shape
        self.chunks = chunks
        self.layout = layout
        elementType = ElementType(typeID: type.id)
        filters = Filters(creationList: creation.id)
        isFiltered = HDF5Library.locked { H5Pget_nfilters(creation.id) > 0 }
    }

    init(opening name: String, in location: hid_t, _ place: Place) throws {
        try self.init(
            Handle("open dataset \(place)", closedBy: H5Dclose) {
                CrashGuard.limited { H5Dopen2(location, name, kaon_H5P_DEFAULT()) }
            },
            place)
    }

    /// Creates a dataset. There are more than six parameters because the place, type and layout of a dataset are fixed
    /// at its creation.
    init(
        creating name: String, in location: hid_t, _ place: Place, links: hid_t, of type: ElementType,
        shape: [Int], chunks: [Int]?, filters: Filters
    ) throws {
        invariant(shape.allSatisfy { $0 >= 0 }, "a dataset cannot have a negative extent: \(shape)")
        let operation = "create dataset \(place)"
        let type = try type.makeType(operation)
        let space = try Selection.makeSpace(shape, operation)
        let creation = try Handle(operation, closedBy: H5Pclose) { H5Pcreate(kaon_H5P_DATASET_CREATE()) }
        try HDF5Library.call(operation) { H5Pset_obj_track_times(creation.id, false) }
        let elementBytes = HDF5Library.locked { H5Tget_size(type.id) }
        let chunks =
            chunks ?? (filters == .none ? nil : Self.defaultChunks(shape, elementBytes: elementBytes))
        if let chunks, !shape.isEmpty {
            invariant(
                chunks.count == shape.count && chunks.allSatisfy { $0 > 0 },
                "chunks of \(chunks) do not fit a dataset of shape \(shape)")
            let extents = zip(chunks, shape).map { hsize_t(min($0, max($1, 1))) }
            try HDF5Library.call(operation) { H5Pset_chunk(creation.id, Int32(shape.count), extents) }
            try filters.apply(to: creation.id, operation)
        }
        try self.init(
            Handle(operation, closedBy: H5Dclose) {
                H5Dcreate2(location, name, type.id, space.id, links, creation.id, kaon_H5P_DEFAULT())
            },
            place)
    }

    /// Chunks of whole rows of about 1 MiB, of at least one row.
    private static func defaultChunks(_ shape: [Int], elementBytes: Int) -> [Int] {
        let row = shape.dropFirst().map { max($0, 1) }
        let rowBytes = row.reduce(elementBytes, *)
        return shape.isEmpty ? [] : [max(1, (1 << 20) / rowBytes)] + row
    }
}

extension Filters {
    /// The filters in a list of creation properties.
    fileprivate init(creationList: hid_t) {
        self = .none
        HDF5Library.locked {
            for index in 0..<max(0, H5Pget_nfilters(creationList)) {
                var (flags, configuration): (UInt32, UInt32) = (0, 0)
                var (count, level): (Int, UInt32) = (1, 0)
                switch H5Pget_filter2(
                    creationList, UInt32(index), &flags, &count, &level, 0, nil, &configuration)
                {
                case H5Z_FILTER_DEFLATE: deflate = Int(level)
                case H5Z_FILTER_FLETCHER32: fletcher32 = true
                case H5Z_FILTER_SHUFFLE: shuffle = true
                default: break
                }
            }
        }
    }

    fileprivate func apply(to creationList: hid_t, _ operation: String) throws {
        if shuffle { try HDF5Library.call(operation) { H5Pset_shuffle(creationList) } }
        if let deflate { try HDF5Library.call(operation) { H5Pset_deflate(creationList, UInt32(deflate)) } }
        if fletcher32 { try HDF5Library.call(operation) { H5Pset_fletcher32(creationList) } }
    }
}

/// The `rank` extents that a function of the library writes into an array.
private func extents(
    _ rank: Int32, _ operation: String, _ function: (UnsafeMutablePointer<hsize_t>) -> Int32
) throws -> [Int] {
    var extents = [hsize_t](repeating: 0, count: max(1, Int(rank)))
    try HDF5Library.call(operation) { function(&extents) }
    return extents.prefix(Int(rank)).map { Int(clamping: $0) }
}

internal import CHDF5

/// The mappings of a virtual dataset: boxes of its elements to elements of datasets in other files, the sources.
///
/// The library reads fill values where a source cannot be opened, and where there is no mapping.
struct VirtualMappings: ~Copyable {
    private struct Mapping {
        let file: String
        let dataset: String
        /// The rows of the virtual dataset; nil if the mapping is unlimited.
        let rows: Range<Int>?
        /// The first elements behind those that are read from the source; nil if the mapping is unlimited, or of the
        /// whole source.
        let sourceEnds: [Int]?
        /// The number of elements if the whole source is mapped; else nil.
        let wholeSource: Int?
    }

    /// More mappings are not compared element by element.
    private static let comparedMappings = 256
    private static let maximumDepth = 8

    private let place: Place
    private let shape: [Int]
    private let depth: Int
    /// True if the elements of the slots behind the first may be missing, for each padding.
    private let mayLack: [StorageGap.Padding: Bool]
    private let creation: Handle
    private let mappings: [Mapping]
    private let operation: String

    /// Throws `HDF5Error`.
    init(_ dataset: borrowing Dataset, depth: Int) throws {
        let operation = "read the sources of \(dataset.place)"
        let creation = try Handle(operation, closedBy: H5Pclose) { H5Dget_create_plist(dataset.handle.id) }
        var count = 0
        try HDF5Library.call(operation) { H5Pget_virtual_count(creation.id, &count) }
        var mappings: [Mapping] = []
        for index in 0..<count {
            let file = try name(operation) { H5Pget_virtual_filename(creation.id, index, $0, $1) }
            let source = try name(operation) { H5Pget_virtual_dsetname(creation.id, index, $0, $1) }
            let box = try Handle(operation, closedBy: H5Sclose) { H5Pget_virtual_vspace(creation.id, index) }
            let elements = try Handle(operation, closedBy: H5Sclose) { H5Pget_virtual_srcspace(creation.id, index) }
            // The stored extent of the space of a whole source is meaningless.
            let isWhole = HDF5Library.locked { H5Sget_select_type(elements.id) == H5S_SEL_ALL }
            let count = Int(HDF5Library.locked { H5Sget_select_npoints(box.id) })
            mappings.append(
                Mapping(
                    file: file, dataset: source, rows: Self.bounds(box.id)?.first,
                    sourceEnds: isWhole ? nil : Self.bounds(elements.id)?.map(\.upperBound),
                    wholeSource: isWhole ? count : nil))
        }
        let mayLack = [
            StorageGap.Padding.slots: try dataset.mayLack(.slots), .slotsOfZeros: try dataset.mayLack(.slotsOfZeros),
        ]
        (place, shape, self.depth, self.mappings) = (dataset.place, dataset.shape, depth, mappings)
        self.operation = operation
        self.mayLack = mayLack
        self.creation = creation
    }

    /// The box around a selection; nil if it is unlimited.
    private static func bounds(_ space: hid_t) -> [Range<Int>]? {
        HDF5Library.locked {
            let rank = Int(H5Sget_simple_extent_ndims(space))
            guard rank > 0 else { return nil }
            var (first, last) = ([hsize_t](repeating: 0, count: rank), [hsize_t](repeating: 0, count: rank))
            guard H5Sget_select_bounds(space, &first, &last) >= 0 else { return nil }
            return zip(first, last).map { first, last in
                let start = min(Int(clamping: first), Int.max - 1)
                return start..<max(start, min(Int(clamping: last), Int.max - 1)) + 1
            }
        }
    }

    /// The rows without a readable source; nil if there are none. Throws `HDF5Error`.
    func gap(_ padding: StorageGap.Padding) throws -> StorageGap? {
        let total = shape[0]
        var (rows, reason): ([Range<Int>], String?) = ([], nil)
        var known: [String: String?] = [:]
        for mapping in mappings {
            let key = "\(mapping.file)\0\(mapping.dataset)\0\(mapping.sourceEnds ?? [mapping.wholeSource ?? 0])"
            let problem = known[key] ?? problem(with: mapping, padding)
            known[key] = problem
            guard let problem else { continue }
            reason = reason ?? problem
            rows.append(mapping.rows?.clamped(to: 0..<total) ?? 0..<total)
        }
        if let reason { return StorageGap(reason: reason, rows: rows, total: total) }
        let bounds = mappings.compactMap(\.rows)
        // Unlimited mappings grow with their sources.
        guard bounds.count == mappings.count else { return nil }
        var (end, unmapped) = (0, [Range<Int>]())
        for range in bounds.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > end { unmapped.append(end..<range.lowerBound) }
            end = max(end, range.upperBound)
        }
        if end < total { unmapped.append(end..<total) }
        if try unmapped.isEmpty && areElementsMapped(inFirstSlotOnly: mayLack[padding] ?? false) { return nil }
        return StorageGap(reason: "no source is mapped to them", rows: unmapped, total: total)
    }

    /// True unless the mappings leave out elements.
    private func areElementsMapped(inFirstSlotOnly isFirst: Bool) throws -> Bool {
        let needed = isFirst ? [shape[0], 1] + shape.dropFirst(2) : shape
        guard mappings.count <= Self.comparedMappings else { return true }
        var mapped = try Handle(operation, closedBy: H5Sclose) { H5Pget_virtual_vspace(creation.id, 0) }
        for index in 1..<max(1, mappings.count) {
            let box = try Handle(operation, closedBy: H5Sclose) { H5Pget_virtual_vspace(creation.id, index) }
            let all = mapped.id
            let union = try Handle(operation, closedBy: H5Sclose) { H5Scombine_select(all, H5S_SELECT_OR, box.id) }
            mapped = union
        }
        let id = mapped.id
        if isFirst {
            try HDF5Library.call(operation) {
                H5Sselect_hyperslab(
                    id, H5S_SELECT_AND, shape.map { _ in 0 }, nil, needed.map { hsize_t($0) }, nil)
            }
        }
        return try HDF5Library.call(operation) { H5Sget_select_npoints(id) } >= needed.reduce(1, *)
    }

    /// The reason why a source cannot be used; nil if it can.
    private func problem(with mapping: Mapping, _ padding: StorageGap.Padding) -> String? {
        guard depth < Self.maximumDepth else { return "the sources are nested without end" }
        // In names of series of sources, %b stands for the number.
        let names = [mapping.file, mapping.dataset].map {
            $0.replacing("%%", with: "\0").replacing("%b", with: "0").replacing("\0", with: "%")
        }
        do {
            let file = try open(names[0])
            guard file.root.contains(names[1]) else { return "the source \(names[0]) has no dataset \(names[1])" }
            let source = try file.root.dataset(names[1])
            let isTooSmall =
                mapping.sourceEnds.map { ends in
                    ends.count == source.shape.count && zip(ends, source.shape).contains { $0 > $1 }
                } ?? mapping.wholeSource.map { $0 > source.shape.reduce(1, *) } ?? false
            if isTooSmall {
                return "\(source.path) in the source \(names[0]) has the shape \(source.shape), less than is mapped"
            }
            return try source.storageGap(padding, depth: depth + 1).map {
                "the source \(names[0]) lacks \($0.description): \($0.reason)"
            }
        } catch {
            return "the source \(names[0]) cannot be used (\((error as? HDF5Error)?.reason ?? "\(error)"))"
        }
    }

    /// Opens the first of the files with this name that is an HDF5 file, as the library does. Throws the first error.
    private func open(_ name: String) throws -> File {
        if name == "." { return try File(opening: place.file.path) }
        var first: (any Error)?
        for path in LinkedFile.candidates(
            name, variable: "HDF5_VDS_PREFIX", mainFile: place.file.path, isBesideMainFile: true)
        {
            do { return try File(opening: path) } catch { first = first ?? error }
        }
        throw first!
    }
}

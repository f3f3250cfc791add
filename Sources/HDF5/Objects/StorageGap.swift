internal import CHDF5

/// Rows of a dataset that are not stored: reading returns fill values, usually zeros, without an error.
package struct StorageGap: Sendable, Equatable {
    /// The elements of a row that need not be stored.
    package enum Padding: Sendable {
        /// All are needed.
        case none
        /// Those of unused slots, which writers may leave out: the first slot, the index 0 of the second dimension, is
        /// needed.
        case slots
        /// The same, if fill values are zero, as those of a mask must be.
        case slotsOfZeros
    }

    /// The reason: `the source b.h5 cannot be used (no such file or directory)`.
    package let reason: String
    /// The rows, rising and disjoint; empty if they are not known.
    package let rows: [Range<Int>]
    /// The number of rows of the dataset.
    package let total: Int

    /// The number of rows.
    package var count: Int { rows.reduce(0) { $0 + $1.count } }

    /// `500 of 1000 rows (500..<1000)`.
    package var description: String {
        guard count > 0 else { return "some of \(total) rows" }
        let list = rows.prefix(3).map { $0.count == 1 ? "\($0.lowerBound)" : "\($0)" }
        return "\(count) of \(total) rows (\(list.joined(separator: ", "))\(rows.count > 3 ? ", …" : ""))"
    }

    /// The gap with overlapping and adjacent ranges joined.
    init(reason: String, rows: [Range<Int>], total: Int) {
        var joined: [Range<Int>] = []
        for range in rows.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = joined.last, range.lowerBound <= last.upperBound {
                joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        (self.reason, self.rows, self.total) = (reason, joined, total)
    }
}

extension Dataset {
    /// The rows that the file does not contain; nil if it contains all. For files of one process.
    ///
    /// These are rows of a virtual dataset without a readable source, chunks that were never written, for example
    /// because the writer was killed, and missing external files. Throws `HDF5Error`.
    package func storageGap(_ padding: StorageGap.Padding = .none) throws -> StorageGap? {
        try storageGap(padding, depth: 0)
    }

    /// The sources of virtual datasets may be virtual in turn; `depth` ends cycles.
    func storageGap(_ padding: StorageGap.Padding, depth: Int) throws -> StorageGap? {
        guard shape.allSatisfy({ $0 > 0 }) else { return nil }
        switch layout {
        case H5D_VIRTUAL: return try VirtualMappings(self, depth: depth).gap(padding)
        case H5D_CHUNKED: return try unwrittenChunks(needsAll: !mayLack(padding))
        case H5D_CONTIGUOUS: return try unwrittenStorage()
        default: return nil
        }
    }

    /// True if the rows are those of datasets in other files, which MPI-IO cannot read.
    package var isVirtual: Bool { layout == H5D_VIRTUAL }

    /// True if elements of the slots behind the first may be missing.
    func mayLack(_ padding: StorageGap.Padding) throws -> Bool {
        guard padding != .none, shape.count > 1 else { return false }
        return try padding == .slots || fillsWithZeros()
    }

    private func fillsWithZeros() throws -> Bool {
        let operation = "read \(place)"
        let creation = try Handle(operation, closedBy: H5Pclose) { H5Dget_create_plist(handle.id) }
        var status = H5D_FILL_VALUE_DEFAULT
        try HDF5Library.call(operation) { H5Pfill_value_defined(creation.id, &status) }
        guard status == H5D_FILL_VALUE_USER_DEFINED else { return status == H5D_FILL_VALUE_DEFAULT }
        let type = try Handle(operation, closedBy: H5Tclose) { H5Dget_type(handle.id) }
        var bytes = [UInt8](repeating: 0, count: HDF5Library.locked { H5Tget_size(type.id) })
        try HDF5Library.call(operation) { H5Pget_fill_value(creation.id, type.id, &bytes) }
        return bytes.allSatisfy { $0 == 0 }
    }

    private var allRows: Range<Int> { 0..<(shape.first ?? 1) }

    private func unwrittenStorage() throws -> StorageGap? {
        let operation = "read \(place)"
        let creation = try Handle(operation, closedBy: H5Pclose) { H5Dget_create_plist(handle.id) }
        let files = try HDF5Library.call(operation) { H5Pget_external_count(creation.id) }
        if files > 0 { return try missingExternalFile(creation.id, files) }
        var status = H5D_SPACE_STATUS_ALLOCATED
        try HDF5Library.call(operation) { H5Dget_space_status(handle.id, &status) }
        guard status == H5D_SPACE_STATUS_NOT_ALLOCATED else { return nil }
        return StorageGap(reason: "they were never written", rows: [allRows], total: allRows.count)
    }

    private func missingExternalFile(_ creation: hid_t, _ files: Int32) throws -> StorageGap? {
        var remaining = storedBytes
        for index in 0..<files {
            var (offset, size): (off_t, hsize_t) = (0, 0)
            let path = try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { name in
                name.initialize(repeating: 0)
                try HDF5Library.call("read \(place)") {
                    H5Pget_external(creation, UInt32(index), name.count - 1, name.baseAddress, &offset, &size)
                }
                return String(cString: name.baseAddress!)
            }
            let candidates = LinkedFile.candidates(
                path, variable: "HDF5_EXTFILE_PREFIX", mainFile: place.file.path, isBesideMainFile: false)
            // The size of the last file may be unlimited.
            let (needed, overflows) = Int(offset).addingReportingOverflow(min(Int(clamping: size), remaining))
            remaining -= min(Int(clamping: size), remaining)
            guard let found = candidates.compactMap(LinkedFile.size).first else {
                return StorageGap(
                    reason: "the external file \(path) does not exist", rows: [allRows], total: allRows.count)
            }
            if overflows || found < needed {
                return StorageGap(
                    reason: "the external file \(path) has \(found) of \(needed) bytes", rows: [], total: allRows.count)
            }
        }
        return nil
    }

    /// - Parameter needsAll: false if only the chunks with the first slot are needed.
    private func unwrittenChunks(needsAll: Bool) throws -> StorageGap? {
        guard let chunks else { return nil }
        let operation = "read \(place)"
        let space = try Handle(operation, closedBy: H5Sclose) { H5Dget_space(handle.id) }
        var written: hsize_t = 0
        try HDF5Library.call(operation) { H5Dget_num_chunks(handle.id, space.id, &written) }
        var grid = zip(shape, chunks).map { ($0 + max($1, 1) - 1) / max($1, 1) }
        let expected = grid.reduce(1.0) { $0 * Double($1) }
        guard Double(written) < expected else { return nil }
        let reason = "\(Int(clamping: written)) of \(Int(expected)) chunks were written"
        guard written > 0 else {
            return StorageGap(reason: "they were never written", rows: [allRows], total: allRows.count)
        }
        if !needsAll { grid[1] = 1 }
        let searched = grid.reduce(1.0) { $0 * Double($1) }
        // The library looks for each chunk in a list.
        guard searched <= 16384 else { return StorageGap(reason: reason, rows: [], total: allRows.count) }
        var rows: [Range<Int>] = []
        var place = [Int](repeating: 0, count: grid.count)
        for _ in 0..<Int(searched) {
            if try !isWritten(chunk: zip(place, chunks).map { hsize_t($0 * $1) }, operation) {
                let first = place[0] * chunks[0]
                rows.append(first..<min(first + chunks[0], shape[0]))
            }
            // The next chunk; the last index is the fastest.
            var dimension = grid.count - 1
            while dimension >= 0 {
                place[dimension] += 1
                if place[dimension] < grid[dimension] { break }
                place[dimension] = 0
                dimension -= 1
            }
        }
        return rows.isEmpty ? nil : StorageGap(reason: reason, rows: rows, total: allRows.count)
    }

    private func isWritten(chunk offset: [hsize_t], _ operation: String) throws -> Bool {
        var (mask, address, size): (UInt32, haddr_t, hsize_t) = (0, 0, 0)
        try HDF5Library.call(operation) {
            H5Dget_chunk_info_by_coord(handle.id, offset, &mask, &address, &size)
        }
        return address != kaon_HADDR_UNDEF()
    }
}

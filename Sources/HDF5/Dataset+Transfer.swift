internal import CHDF5

// Buffers are row-major and packed: element after element of the selection, whatever surrounds it in the dataset.

extension Dataset {
    // MARK: Reading

    /// Reads a range of the leading dimension, with all of the others, converted to `T`.
    ///
    /// The buffer holds exactly that many elements. Throws `HDF5Error`.
    public func read<T: HDF5Scalar>(
        rows: Range<Int>, into buffer: UnsafeMutableBufferPointer<T>, transfer: Transfer = .independent
    ) throws {
        try read(Selection(rows: rows, of: shape), into: buffer, transfer)
    }

    /// Reads the box of `count` elements in each dimension that begins at `start`, converted to `T`.
    ///
    /// The buffer holds exactly that many elements. Throws `HDF5Error`.
    public func read<T: HDF5Scalar>(
        start: [Int], count: [Int], into buffer: UnsafeMutableBufferPointer<T>, transfer: Transfer = .independent
    ) throws {
        try read(Selection(start: start, count: count, of: shape), into: buffer, transfer)
    }

    /// All elements, converted to `T`. Throws `HDF5Error`.
    public func readAll<T: HDF5Scalar>() throws -> [T] {
        let all = Selection(all: shape)
        return try [T](unsafeUninitializedCapacity: all.elementCount) { buffer, count in
            try read(all, into: UnsafeMutableBufferPointer(rebasing: buffer[..<all.elementCount]), .independent)
            count = all.elementCount
        }
    }

    private func read<T: HDF5Scalar>(
        _ selection: Selection, into buffer: UnsafeMutableBufferPointer<T>, _ transfer: Transfer
    ) throws {
        try move("read", selection, T.self, bufferCount: buffer.count, transfer) { type, memory, file, list in
            H5Dread(handle.id, type, memory, file, list, buffer.baseAddress)
        }
    }

    // MARK: Writing

    /// Writes a range of the leading dimension, with all of the others, converted from `T`.
    ///
    /// The buffer holds exactly that many elements. A boolean dataset takes `UInt8` or `Int8`, 0 or 1. The ranks that
    /// share a file write a dataset with filters collectively. Throws `HDF5Error`.
    public func write<T: HDF5Scalar>(
        rows: Range<Int>, from buffer: UnsafeBufferPointer<T>, transfer: Transfer = .independent
    ) throws {
        try write(Selection(rows: rows, of: shape), from: buffer, transfer)
    }

    /// Writes the box of `count` elements in each dimension that begins at `start`, converted from `T`.
    ///
    /// As for rows. Throws `HDF5Error`.
    public func write<T: HDF5Scalar>(
        start: [Int], count: [Int], from buffer: UnsafeBufferPointer<T>, transfer: Transfer = .independent
    ) throws {
        try write(Selection(start: start, count: count, of: shape), from: buffer, transfer)
    }

    /// Writes all elements. Throws `HDF5Error`.
    func writeAll<T: HDF5Scalar>(_ buffer: UnsafeBufferPointer<T>) throws {
        try write(Selection(all: shape), from: buffer, .independent)
    }

    private func write<T: HDF5Scalar>(
        _ selection: Selection, from buffer: UnsafeBufferPointer<T>, _ transfer: Transfer
    ) throws {
        func refuse(_ reason: String) -> HDF5Error {
            HDF5Error(operation: "write \(place), \(selection)", reason: reason)
        }
        if isFiltered, place.file.isParallel, transfer == .independent {
            throw refuse("the ranks that share a file must write a dataset with filters collectively")
        }
        if elementType == .boolean {
            guard T.elementType == .uint8 || T.elementType == .int8 else {
                throw refuse("a boolean dataset takes UInt8 or Int8, not \(T.self)")
            }
            guard UnsafeRawBufferPointer(buffer).allSatisfy({ $0 <= 1 }) else {
                throw refuse("a boolean is 0 or 1")
            }
        }
        try move("write", selection, T.self, bufferCount: buffer.count, transfer) { type, memory, file, list in
            H5Dwrite(handle.id, type, memory, file, list, buffer.baseAddress)
        }
    }

    // MARK: Both

    /// Checks a transfer and prepares what `function`, the library's read or write, needs: the type and space in
    /// memory, the space in the file, and the list of transfer properties.
    private func move<T: HDF5Scalar>(
        _ verb: String, _ selection: Selection, _: T.Type, bufferCount: Int, _ transfer: Transfer,
        _ function: (hid_t, hid_t, hid_t, hid_t) -> herr_t
    ) throws {
        let operation = "\(verb) \(place), \(selection)"
        precondition(
            bufferCount == selection.elementCount,
            "\(operation): the buffer has \(bufferCount) elements, not \(selection.elementCount)")
        guard selection.isWithinShape else {
            throw HDF5Error(operation: operation, reason: "outside the shape \(shape)")
        }
        guard elementType.isNumeric else {
            throw HDF5Error(operation: operation, reason: "the elements are of type \(elementType), not \(T.self)")
        }
        let isCollective = place.file.isParallel && transfer == .collective
        if selection.elementCount == 0 && !isCollective { return }

        // A write converts nothing to boolean, so that the type in memory must be the boolean, too.
        let isBooleanWrite = verb == "write" && elementType == .boolean
        let type = try (isBooleanWrite ? .boolean : T.elementType).makeType(operation)
        let memory = try selection.makeMemorySpace(operation)
        let file = try selection.makeFileSpace(operation)
        let list = try Handle(operation, closedBy: H5Pclose) { H5Pcreate(kaon_H5P_DATASET_XFER()) }
        if isCollective { try HDF5Library.call(operation) { H5Pset_dxpl_mpio(list.id, H5FD_MPIO_COLLECTIVE) } }
        try HDF5Library.call(operation) { function(type.id, memory.id, file.id, list.id) }
    }
}

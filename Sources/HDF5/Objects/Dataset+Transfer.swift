internal import CHDF5
import System

// Buffers are row-major and packed: they have the elements of the selection only.

extension Dataset {
    // MARK: Reading

    /// Reads whole rows, converted to `T`, into a buffer of exactly their size. Throws `HDF5Error`.
    ///
    ///     try dataset.read(rows: 4096..<8192, into: buffer)
    package func read<T: HDF5Scalar>(
        rows: Range<Int>, into buffer: UnsafeMutableBufferPointer<T>, transfer: Transfer = .independent
    ) throws {
        try read(Selection(rows: rows, of: shape), into: buffer, transfer)
    }

    /// Reads a box, converted to `T`, into a buffer of exactly its size. Throws `HDF5Error`.
    ///
    /// - Parameters:
    ///   - start: the first element of the box in each dimension.
    ///   - count: the extent of the box in each dimension.
    package func read<T: HDF5Scalar>(
        start: [Int], count: [Int], into buffer: UnsafeMutableBufferPointer<T>,
        transfer: Transfer = .independent
    ) throws {
        try read(Selection(start: start, count: count, of: shape), into: buffer, transfer)
    }

    /// All elements, converted to `T`. Throws `HDF5Error`.
    package func readAll<T: HDF5Scalar>() throws -> [T] {
        let all = Selection(all: shape)
        try checkIsStored()
        return try [T](unsafeUninitializedCapacity: all.elementCount) { buffer, count in
            try read(
                all, into: UnsafeMutableBufferPointer(rebasing: buffer[..<all.elementCount]), .independent)
            count = all.elementCount
        }
    }

    /// Throws `HDF5Error` if the shape is much larger than the stored data, so that the elements would exhaust memory,
    /// or if there are too many chunks to read in reasonable time: both are signs of damage. The highest factor of
    /// compression is about 1000.
    func checkIsStored() throws {
        let chunkCount = zip(shape, chunks ?? shape).reduce(1.0) {
            $0 * (Double($1.0) / Double(max(1, $1.1))).rounded(.up)
        }
        guard chunkCount <= 65536 else {
            throw HDF5Error(
                operation: "read \(place)",
                reason: "the shape is \(shape), in chunks of only \(chunks ?? [])")
        }
        guard shape.reduce(1.0, { $0 * Double($1) }) <= 2048 * Double(storedBytes) + 0x1p20 else {
            throw HDF5Error(
                operation: "read \(place)",
                reason: "the shape is \(shape), but only \(storedBytes) bytes are stored")
        }
    }

    /// Reads all elements, converted to `T`, into a buffer of exactly their size. Throws `HDF5Error`.
    func readAll<T: HDF5Scalar>(into buffer: UnsafeMutableBufferPointer<T>) throws {
        try read(Selection(all: shape), into: buffer, .independent)
    }

    private func read<T: HDF5Scalar>(
        _ selection: Selection, into buffer: UnsafeMutableBufferPointer<T>, _ transfer: Transfer
    ) throws {
        let elements = UnsafeBufferPointer(buffer)
        try move("read", selection, elements, T.elementType, transfer) { type, memory, file, list, elements in
            H5Dread(handle.id, type, memory, file, list, UnsafeMutablePointer(mutating: elements))
        }
    }

    // MARK: Writing

    /// Writes whole rows, converted from `T`, from a buffer of exactly their size. Throws `HDF5Error`.
    ///
    /// The elements of a boolean dataset are passed as `UInt8` or `Int8`, 0 or 1. In a shared file, a dataset with
    /// filters must be written collectively.
    package func write<T: HDF5Scalar>(
        rows: Range<Int>, from buffer: UnsafeBufferPointer<T>, transfer: Transfer = .independent
    ) throws {
        try write(Selection(rows: rows, of: shape), from: buffer, transfer)
    }

    /// Writes a box, under the conditions for rows. Throws `HDF5Error`.
    ///
    /// - Parameters:
    ///   - start: the first element of the box in each dimension.
    ///   - count: the extent of the box in each dimension.
    package func write<T: HDF5Scalar>(
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
        // HDF5 does not convert numbers to booleans, so the type in memory must be boolean, too.
        let type = elementType == .boolean ? .boolean : T.elementType
        try move("write", selection, buffer, type, transfer) { type, memory, file, list, elements in
            H5Dwrite(handle.id, type, memory, file, list, elements)
        }
    }

    // MARK: Both

    /// Checks a transfer and calls `function`, the library's read or write, with the type and space in memory, the
    /// space in the file, the list of transfer properties and the elements.
    private func move<T: HDF5Scalar>(
        _ verb: String, _ selection: Selection, _ buffer: UnsafeBufferPointer<T>,
        _ memoryType: ElementType, _ transfer: Transfer,
        _ function: (hid_t, hid_t, hid_t, hid_t, UnsafePointer<T>?) -> herr_t
    ) throws {
        let operation = "\(verb) \(place), \(selection)"
        invariant(
            buffer.count == selection.elementCount,
            "cannot \(operation): the buffer has \(buffer.count) elements, not \(selection.elementCount)")
        guard selection.isWithinShape else {
            throw HDF5Error(operation: operation, reason: "outside the shape \(shape)")
        }
        guard elementType.isNumeric else {
            throw HDF5Error(
                operation: operation, reason: "the elements are of type \(elementType), not \(T.self)")
        }
        let isCollective = place.file.isParallel && transfer == .collective
        if selection.elementCount == 0 && !isCollective { return }

        let type = try memoryType.makeType(operation)
        let list = try Handle(operation, closedBy: H5Pclose) { H5Pcreate(kaon_H5P_DATASET_XFER()) }
        if isCollective {
            try HDF5Library.call(operation) { H5Pset_dxpl_mpio(list.id, H5FD_MPIO_COLLECTIVE) }
        }

        // Independent transfers are limited to 1 GiB each; collective ones need the same number of calls on every rank.
        let parts = isCollective ? [selection] : selection.parts(of: (1 << 30) / 8)
        var elements = buffer.baseAddress
        for part in parts {
            let memory = try part.makeMemorySpace(operation)
            let file = try part.makeFileSpace(operation)
            try HDF5Library.call(operation) { function(type.id, memory.id, file.id, list.id, elements) }
            elements = elements.map { $0 + part.elementCount }
        }
    }
}

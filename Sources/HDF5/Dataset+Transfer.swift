internal import CHDF5
import System

// Buffers are row-major and packed: they hold the elements of the selection and nothing between.

extension Dataset {
    // MARK: Reading

    /// Reads a range of the leading dimension, with all of the others, converted to `T`.
    ///
    /// The buffer holds exactly that many elements. Throws `HDF5Error`.
    package func read<T: HDF5Scalar>(
        rows: Range<Int>, into buffer: UnsafeMutableBufferPointer<T>, transfer: Transfer = .independent
    ) throws {
        try read(Selection(rows: rows, of: shape), into: buffer, transfer)
    }

    /// Reads the box of `count` elements in each dimension that begins at `start`, converted to `T`.
    ///
    /// The buffer holds exactly that many elements. Throws `HDF5Error`.
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

    /// Throws `HDF5Error` where the shape asks for much more than the file has, so much that memory would not
    /// hold it, or for so many chunks that there would be no end. Compression makes a thousandth of the bytes
    /// at best.
    func checkIsStored() throws {
        let chunkCount = zip(shape, chunks ?? shape).reduce(1.0) {
            $0 * (Double($1.0) / Double(max(1, $1.1))).rounded(.up)
        }
        guard chunkCount <= 65536 else {
            throw HDF5Error(
                operation: "read \(place)",
                reason: "the shape is \(shape), in chunks of no more than \(chunks ?? [])")
        }
        guard shape.reduce(1.0, { $0 * Double($1) }) <= 2048 * Double(storedBytes) + 0x1p20 else {
            throw HDF5Error(
                operation: "read \(place)",
                reason: "the shape is \(shape), but only \(storedBytes) bytes are stored")
        }
    }

    /// Reads all elements, converted to `T`, into a buffer of exactly that many. Throws `HDF5Error`.
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

    /// Writes a range of the leading dimension, with all of the others, converted from `T`.
    ///
    /// The buffer holds exactly that many elements. A boolean dataset takes `UInt8` or `Int8`, 0 or 1. The
    /// ranks that share a file write a dataset with filters collectively. Throws `HDF5Error`.
    package func write<T: HDF5Scalar>(
        rows: Range<Int>, from buffer: UnsafeBufferPointer<T>, transfer: Transfer = .independent
    ) throws {
        try write(Selection(rows: rows, of: shape), from: buffer, transfer)
    }

    /// Writes the box of `count` elements in each dimension that begins at `start`, with the conditions for
    /// rows. Throws `HDF5Error`.
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
        // Nothing is converted to boolean on writing, so that memory must have the type, too.
        let type = elementType == .boolean ? .boolean : T.elementType
        try move("write", selection, buffer, type, transfer) { type, memory, file, list, elements in
            H5Dwrite(handle.id, type, memory, file, list, elements)
        }
    }

    // MARK: Both

    /// Checks a transfer and prepares what `function`, the library's read or write, needs: the type and space
    /// in memory, the space in the file, the list of transfer properties and the elements.
    private func move<T: HDF5Scalar>(
        _ verb: String, _ selection: Selection, _ buffer: UnsafeBufferPointer<T>,
        _ memoryType: ElementType, _ transfer: Transfer,
        _ function: (hid_t, hid_t, hid_t, hid_t, UnsafePointer<T>?) -> herr_t
    ) throws {
        let operation = "\(verb) \(place), \(selection)"
        invariant(
            buffer.count == selection.elementCount,
            "\(operation): the buffer has \(buffer.count) elements, not \(selection.elementCount)")
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

        // A rank on its own moves less than 2 GiB at a time; together, the ranks must call equally often.
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

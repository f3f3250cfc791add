import HDF5

/// Rows of a numeric dataset of any type, to be copied from one file to another.
package struct ColumnPart {
    private enum Values {
        case integers([Int])
        case unsigned([UInt64])
        case floats([Float])
        case doubles([Double])
    }

    private var values: Values
    /// The number of elements of a row.
    private let width: Int

    /// Reads the given indices of the first dimension.
    ///
    /// - Parameter leading: number of leading dimensions whose product counts the rows: 1, or 2 for `[jets, slots, …]`.
    ///
    /// Throws `HDF5Error`.
    init(_ dataset: borrowing Dataset, rows: Range<Int>, leading: Int = 1) throws {
        let shape = dataset.shape
        width = shape.dropFirst(leading).reduce(1, *)
        let count = rows.count * shape.dropFirst().reduce(1, *)
        func read<T: HDF5Scalar>(_ dataset: borrowing Dataset) throws -> [T] {
            try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
                try dataset.read(rows: rows, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
                initialized = count
            }
        }
        values =
            switch dataset.elementType {
            case .float16, .float32: .floats(try read(dataset))
            case .float64: .doubles(try read(dataset))
            case .uint64: .unsigned(try read(dataset))
            default: .integers(try read(dataset))
            }
    }

    /// Keeps the rows with the given numbers.
    mutating func keep(_ rows: [Int]) {
        func kept<T>(_ values: [T]) -> [T] { rows.flatMap { values[$0 * width..<($0 + 1) * width] } }
        switch values {
        case .integers(let all): values = .integers(kept(all))
        case .unsigned(let all): values = .unsigned(kept(all))
        case .floats(let all): values = .floats(kept(all))
        case .doubles(let all): values = .doubles(kept(all))
        }
    }

    /// Writes the rows to a dataset, from row `row` on. Throws `HDF5Error`.
    func write(to dataset: borrowing Dataset, at row: Int) throws {
        func write<T: HDF5Scalar>(_ values: [T], to dataset: borrowing Dataset) throws {
            try values.withUnsafeBufferPointer {
                try dataset.write(rows: row..<row + values.count / max(width, 1), from: $0)
            }
        }
        switch values {
        case .integers(let all) where dataset.elementType == .boolean:
            try write(all.map { UInt8($0) }, to: dataset)
        case .integers(let all): try write(all, to: dataset)
        case .unsigned(let all): try write(all, to: dataset)
        case .floats(let all): try write(all, to: dataset)
        case .doubles(let all): try write(all, to: dataset)
        }
    }
}

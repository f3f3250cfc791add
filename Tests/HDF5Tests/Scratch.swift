import Foundation
import HDF5

/// The path of a file in `Fixtures`.
func fixture(_ name: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)").path
}

extension Dataset {
    /// The elements of a range of rows.
    func rows<T: HDF5Scalar>(_ rows: Range<Int>, transfer: Transfer = .independent) throws -> [T] {
        let count = rows.count * shape.dropFirst().reduce(1, *)
        return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
            try read(
                rows: rows, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]), transfer: transfer)
            initialized = count
        }
    }

    /// Writes a range of rows.
    func write<T: HDF5Scalar>(_ values: [T], rows: Range<Int>, transfer: Transfer = .independent) throws {
        try values.withUnsafeBufferPointer { try write(rows: rows, from: $0, transfer: transfer) }
    }
}

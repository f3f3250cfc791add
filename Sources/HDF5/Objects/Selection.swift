internal import CHDF5
import System

/// A box of elements of a dataset.
package struct Selection: CustomStringConvertible, Equatable {
    package let start: [Int]
    package let count: [Int]
    /// The shape of the dataset.
    let shape: [Int]

    /// All elements.
    package init(all shape: [Int]) {
        start = shape.map { _ in 0 }
        count = shape
        self.shape = shape
    }

    package init(start: [Int], count: [Int], of shape: [Int]) {
        invariant(
            start.count == shape.count && count.count == shape.count,
            "start \(start) and count \(count) differ in dimension from the shape \(shape)")
        self.start = start
        self.count = count
        self.shape = shape
    }

    /// Whole rows: a range of the leading dimension and all elements of the others.
    package init(rows: Range<Int>, of shape: [Int]) {
        invariant(!shape.isEmpty, "a dataset of a single value has no rows to select")
        start = [rows.lowerBound] + shape.dropFirst().map { _ in 0 }
        count = [rows.count] + shape.dropFirst()
        self.shape = shape
    }

    var elementCount: Int { count.reduce(1, *) }

    var isWithinShape: Bool {
        zip(zip(start, count), shape).allSatisfy { box, extent in
            box.0 >= 0 && box.1 >= 0 && box.0 <= extent - box.1
        }
    }

    /// The selection in parts of at most `elementLimit` elements, but at least one row.
    package func parts(of elementLimit: Int) -> [Selection] {
        guard let rows = count.first, elementCount > elementLimit else { return [self] }
        let partRows = max(1, elementLimit / (elementCount / rows))
        return stride(from: 0, to: rows, by: partRows).map { row in
            Selection(
                start: [start[0] + row] + start.dropFirst(),
                count: [min(partRows, rows - row)] + count.dropFirst(), of: shape)
        }
    }

    /// `rows 4096..<8192` for whole rows, `start [0, 2], count [8, 1]` for another box, `all` for a single value.
    package var description: String {
        guard let first = start.first, let rows = count.first else { return "all" }
        let isWholeRows = start.dropFirst().allSatisfy { $0 == 0 } && count.dropFirst() == shape.dropFirst()
        return isWholeRows ? "rows \(first)..<\(first + rows)" : "start \(start), count \(count)"
    }

    /// The dataspace of the packed elements in memory. Throws `HDF5Error`.
    func makeMemorySpace(_ operation: @autoclosure () -> String) throws -> Handle {
        let space = try Self.makeSpace(count, operation())
        if elementCount == 0 { try HDF5Library.call(operation()) { H5Sselect_none(space.id) } }
        return space
    }

    /// The dataspace of the dataset with the elements selected. Throws `HDF5Error`.
    func makeFileSpace(_ operation: @autoclosure () -> String) throws -> Handle {
        let space = try Self.makeSpace(shape, operation())
        if elementCount == 0 {
            try HDF5Library.call(operation()) { H5Sselect_none(space.id) }
        } else if !shape.isEmpty {
            try HDF5Library.call(operation()) {
                H5Sselect_hyperslab(
                    space.id, H5S_SELECT_SET, start.map { hsize_t($0) }, nil, count.map { hsize_t($0) }, nil)
            }
        }
        return space
    }

    /// A dataspace with all elements selected. Throws `HDF5Error`.
    static func makeSpace(_ shape: [Int], _ operation: @autoclosure () -> String) throws -> Handle {
        try Handle(operation(), closedBy: H5Sclose) {
            shape.isEmpty
                ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, nil)
        }
    }
}

import Tensors
import Testing

/// Concatenating and picking columns.
@Suite struct ColumnTests {
    private func concatenated(_ parts: [[Double]], rows: Int) -> [Double] {
        (0..<rows).flatMap { row in
            parts.flatMap { part in
                let width = part.count / rows
                return part[row * width..<(row + 1) * width]
            }
        }
    }

    /// One source without columns, one used twice.
    @Test func concatenation() {
        OperationCheck(
            inputs: [
                randomTensor([4, 3], seed: 1), Tensor(shape: [4, 0]), randomTensor([4, 17], seed: 2),
            ],
            operation: { $0.concatenateColumns([$1[0], $1[1], $1[2], $1[0]]) },
            reference: { concatenated([$0[0], $0[1], $0[2], $0[0]], rows: 4) }
        ).run()
    }

    /// Reordered, one column twice and one omitted.
    @Test func picking() {
        let index = [3, 0, 3, 1]
        OperationCheck(
            inputs: [randomTensor([5, 4], seed: 1)],
            operation: { $0.add($0.pickColumns($1[0], index: index), $0.pickColumns($1[0], index: index)) },
            reference: { Reference.rows(of: $0[0], 4).flatMap { row in index.map { 2 * row[$0] } } }
        ).run()
    }
}

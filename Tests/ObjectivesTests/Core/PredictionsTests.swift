import Objectives
import Testing

@Suite struct PredictionsTests {
    /// Where the values of a column are in memory.
    private func address(_ values: Predictions.Column.Values?) -> UnsafeRawPointer? {
        switch values {
        case .floats(let values)?: values.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        case .integers(let values)?: values.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        case nil: nil
        }
    }

    /// Columns that grow part by part move only when their capacity doubles, instead of with every part.
    @Test func appendingDoesNotCopyWhatIsThere() {
        var all = Predictions()
        var moves = ["scores": 0, "labels": 0]
        var last: [String: UnsafeRawPointer] = [:]
        for part in 0..<2000 {
            all.append(
                Predictions([
                    "scores": .init((0..<20).map { Float(20 * part + $0) }, width: 2),
                    "labels": .init((0..<10).map { 10 * part + $0 }),
                ]))
            for name in ["scores", "labels"] {
                let found = address(all.columns[name]?.values)
                if found != last[name] { moves[name]! += 1 }
                last[name] = found
            }
        }
        #expect(moves.values.allSatisfy { $0 < 40 }, "\(moves)")
        #expect(all.floats("scores") == (0..<40_000).map(Float.init) && all.columns["scores"]?.width == 2)
        #expect(all.integers("labels") == Array(0..<20_000))
    }

    /// What was appended, and copies made before, keep their values.
    @Test func copiesAreIndependent() {
        let first = Predictions(["a": .init([1 as Float]), "b": .init([1, 2])])
        var all = first
        all.append(Predictions(["a": .init([2 as Float, 3]), "c": .init([7])]))
        let copy = all
        all.append(first)
        #expect(all.floats("a") == [1, 2, 3, 1] && all.integers("b") == [1, 2, 1, 2] && all.integers("c") == [7])
        #expect(copy.floats("a") == [1, 2, 3] && copy.integers("b") == [1, 2])
        #expect(first.floats("a") == [1] && first.columns["c"] == nil)
    }
}

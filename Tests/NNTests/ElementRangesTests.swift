import NN
import Testing

@Suite struct ElementRangesTests {
    @Test func adjacentRangesAreJoinedAndEmptyOnesLeftOut() {
        let ranges = ElementRanges([0..<3, 3..<5, 7..<7, 8..<10])
        #expect(ranges.parts.map(\.elements) == [0..<5, 8..<10])
        #expect(ranges.parts.map(\.compact) == [0..<5, 5..<7])
        #expect(ranges.count == 7)
        #expect(ElementRanges([]).count == 0)
    }

    @Test func partsWithinBounds() {
        let ranges = ElementRanges([0..<5, 8..<10, 20..<30])
        let parts = ranges.parts(in: 3..<22)
        #expect(parts.map(\.elements) == [3..<5, 8..<10, 20..<22])
        #expect(parts.map(\.compact) == [3..<5, 5..<7, 7..<9])
        #expect(ranges.parts(in: 5..<8).isEmpty)
    }
}

import Models
import Tensors
import Testing

@Suite struct MaskedConstituentsTests {
    /// Two features that identify the token.
    private func jets(_ counts: [Int]) -> Constituents {
        let offsets = Offsets(counts: counts)
        let values = (0..<offsets.tokens).flatMap { [Float($0), Float($0) + 0.5] }
        return Constituents(
            values: Tensor(values, shape: [offsets.tokens, 2]),
            identities: (0..<offsets.tokens).map { Int32(100 + $0) }, offsets: offsets)
    }

    private func expect(
        _ constituents: Constituents, tokens: [Int], offsets: [Int32],
        location: SourceLocation = #_sourceLocation
    ) {
        #expect(
            constituents.values.array == tokens.flatMap { [Float($0), Float($0) + 0.5] },
            sourceLocation: location)
        #expect(constituents.values.shape == [tokens.count, 2], sourceLocation: location)
        #expect(constituents.identities == tokens.map { Int32(100 + $0) }, sourceLocation: location)
        #expect(constituents.offsets.values == offsets, sourceLocation: location)
    }

    /// Both parts keep the order; jets without tokens, with one, with none dropped and with all dropped.
    @Test func aSplitKeepsTheOrder() {
        let jets = jets([4, 0, 1, 1, 3, 2])
        let isDropped = [true, false, true, false, true, false, false, false, false, true, true]
        let masked = MaskedConstituents(jets, mask: isDropped)
        expect(masked.survivors, tokens: [1, 3, 5, 6, 7, 8], offsets: [0, 2, 2, 2, 3, 6, 6])
        expect(masked.dropped, tokens: [0, 2, 4, 9, 10], offsets: [0, 2, 2, 3, 3, 3, 5])
    }

    @Test func nothingIsDropped() {
        let masked = MaskedConstituents(jets([2, 0, 1]), mask: [false, false, false])
        expect(masked.survivors, tokens: [0, 1, 2], offsets: [0, 2, 2, 3])
        expect(masked.dropped, tokens: [], offsets: [0, 0, 0, 0])
    }

    @Test func everythingIsDropped() {
        let masked = MaskedConstituents(jets([2, 0, 1]), mask: [true, true, true])
        expect(masked.survivors, tokens: [], offsets: [0, 0, 0, 0])
        expect(masked.dropped, tokens: [0, 1, 2], offsets: [0, 2, 2, 3])
    }

    @Test(arguments: [[], [0], [0, 0]]) func jetsOfNothing(counts: [Int]) {
        let masked = MaskedConstituents(jets(counts), mask: [])
        let offsets = [Int32](repeating: 0, count: counts.count + 1)
        expect(masked.survivors, tokens: [], offsets: offsets)
        expect(masked.dropped, tokens: [], offsets: offsets)
    }
}

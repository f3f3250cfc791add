import HDF5
import Testing

@Suite struct SelectionTests {
    @Test func partsCoverTheBoxInOrder() {
        let shape = [100, 8, 3]
        let box = Selection(start: [10, 2, 0], count: [47, 5, 3], of: shape)
        for (limit, count) in [
            (1, 47), (15, 47), (29, 47), (30, 24), (46, 16), (704, 2), (705, 1), (1 << 30, 1),
        ] {
            let parts = box.parts(of: limit)
            #expect(parts.count == count)
            #expect(parts.map { $0.count[0] }.reduce(0, +) == 47)
            var row = 10
            for part in parts {
                #expect(part.start == [row, 2, 0])
                #expect(part.count.dropFirst() == [5, 3])
                row += part.count[0]
            }
        }
    }

    @Test func singleValuesAndEmptyBoxesAreNotDivided() {
        #expect(Selection(all: []).parts(of: 1) == [Selection(all: [])])
        let nothing = Selection(rows: 3..<3, of: [10, 2])
        #expect(nothing.parts(of: 1) == [nothing])
        #expect(Selection(all: [5, 0]).parts(of: 1).count == 1)
    }

    @Test func namesRowsOrBoxes() {
        #expect(Selection(rows: 4096..<8192, of: [10_000, 7]).description == "rows 4096..<8192")
        #expect(Selection(all: [10, 7]).description == "rows 0..<10")
        #expect(
            Selection(start: [0, 2], count: [8, 1], of: [10, 7]).description == "start [0, 2], count [8, 1]")
        #expect(Selection(all: []).description == "all")
    }
}

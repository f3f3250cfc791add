import Jets
import Testing

@Suite struct BlockLayoutTests {
    @Test func blocksLieInOneFile() {
        let layout = BlockLayout(fileLengths: [25, 0, 10, 3], blockRows: 10)
        #expect(layout.count == 38)
        #expect(
            (0..<layout.blockCount).map { layout.jets(ofBlock: $0) } == [
                0..<10, 10..<20, 20..<25, 25..<35, 35..<38,
            ])
        #expect((0..<layout.blockCount).map { layout.file(ofBlock: $0) } == [0, 0, 0, 2, 3])
        for block in 0..<layout.blockCount {
            #expect(layout.jets(ofBlock: block).allSatisfy { layout.block(ofJet: $0) == block })
        }
        #expect(layout.firstJet(ofFile: 2) == 25)
    }
}

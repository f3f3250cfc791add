import Jets
import Testing

@Suite struct PermutationTests {
    @Test(arguments: [1, 2, 3, 4, 5, 7, 8, 9, 10, 63, 64, 65, 1000, 4097])
    func visitsEveryElementOnce(count: Int) {
        for key in [0, 1, UInt64.max] {
            let permutation = Permutation(count: count, key: key)
            let elements = (0..<count).map { permutation[$0] }
            #expect(elements.sorted() == Array(0..<count))
            #expect(elements.map { permutation.position(of: $0) } == Array(0..<count))
        }
    }

    @Test func holdsAlsoForHugeSets() {
        for count in [100_000_000, 1 << 40, (1 << 62) - 1] {
            let permutation = Permutation(count: count, key: 3)
            for position in stride(from: 0, to: count, by: count / 97) {
                #expect(permutation.position(of: permutation[position]) == position)
            }
        }
    }

    /// All 24 permutations of four elements, about equally often.
    @Test func allPermutationsOccur() {
        var counts: [[Int]: Int] = [:]
        for key in 0..<4800 {
            let permutation = Permutation(count: 4, key: UInt64(key))
            counts[(0..<4).map { permutation[$0] }, default: 0] += 1
        }
        #expect(counts.count == 24)
        // χ² with 23 degrees of freedom exceeds 62 with a probability of 2e-5.
        #expect(counts.values.reduce(0.0) { $0 + (Double($1) - 200) * (Double($1) - 200) / 200 } < 62)
    }

    /// The positions of adjacent elements are uncorrelated.
    @Test func neighboursPart() {
        let count = 10_000
        let permutation = Permutation(count: count, key: 11)
        let steps = (1..<count).map { abs(permutation[$0] - permutation[$0 - 1]) }
        // The mean distance of two random numbers is a third of their range, here with an error of 0.25 %.
        #expect(abs(Double(steps.reduce(0, +)) / Double(count - 1) / Double(count) - 1.0 / 3) < 0.012)
    }
}

import Jets
import Testing

@Suite struct LeastRecentlyUsedTests {
    @Test func theLeastUsedValueGoes() {
        var cache = LeastRecentlyUsed<String>(minimum: 3)
        var made: [Int] = []
        for number in [1, 2, 3, 1, 4, 1, 3, 2, 5] {
            let value = cache.value(number) {
                made.append(number)
                return "\(number)"
            }
            #expect(value == "\(number)")
        }
        #expect(made == [1, 2, 3, 4, 2, 5] && cache.count == 3)
    }

    @Test func smallValuesAreKeptBeyondTheMinimum() {
        var cache = LeastRecentlyUsed<Int>(minimum: 2, budget: 100) { $0 }
        for number in 0..<20 { _ = cache.value(number) { 10 } }
        #expect(cache.count == 10)
        // Large values evict small ones down to the minimum number.
        for number in 20..<23 { _ = cache.value(number) { 1000 } }
        #expect(cache.count == 2)
    }

    @Test func whatFailsIsNotRemembered() {
        var cache = LeastRecentlyUsed<Int>(minimum: 2)
        #expect(throws: JetError.self) { _ = try cache.value(1) { throw JetError("torn") } }
        #expect(cache.count == 0)
        _ = cache.value(1) { 5 }
        #expect(cache.count == 1)
    }
}

import NN
import Tensors
import Testing

@Suite struct AttentionCacheTests {
    private let width = 4

    /// Queries, keys and values that name their jet and their place.
    private func token(_ place: Int, of jets: [Int]) -> Tensor {
        Tensor(
            jets.flatMap { jet in (0..<3 * width).map { Float(1_000_000 * jet + 100 * place + $0) } },
            shape: [jets.count, 3 * width])
    }

    private func expect(_ cache: AttentionCache, hasTokens count: Int, of jets: [Int]) {
        #expect(cache.rows.map(\.count) == jets.map { _ in count })
        for (rows, jet) in zip(cache.rows, jets) {
            let expected = (0..<count).flatMap { token($0, of: [jet]).array[width...] }
            #expect(cache.keysAndValues.rows(rows).array == expected, "jet \(jet)")
        }
    }

    @Test func keysAndValuesStayWithTheirJets() {
        let cache = AttentionCache(jets: 5, width: width)
        var open = Array(0..<5)
        // Jets are dropped and reordered before and after the capacity has grown.
        for (place, kept) in [(10, [4, 0, 2, 1]), (16, [3, 1, 0]), (40, [2, 0]), (41, [0]), (42, [])] {
            var count = cache.rows[0].count
            while count < place {
                #expect(cache.append(token(count, of: open)).array == token(count, of: open).firstColumns(width))
                count += 1
            }
            expect(cache, hasTokens: place, of: open)
            cache.keep(kept)
            open = kept.map { open[$0] }
            expect(cache, hasTokens: place, of: open)
        }
        #expect(cache.rows.isEmpty)
    }

    /// Tokens are appended in place but for some doublings: 1000 of them are copied fewer than 2000 times.
    @Test func appendingCopiesEachTokenAFewTimes() {
        let cache = AttentionCache(jets: 2, width: width)
        var (copied, storage) = (0, cache.keysAndValues)
        for place in 0..<1000 {
            _ = cache.append(token(place, of: [0, 1]))
            if cache.keysAndValues.pointer != storage.pointer {
                copied += place
                // The storage before stays alive, so that its address is not used again.
                storage = cache.keysAndValues
            }
        }
        #expect(copied > 0 && copied < 2000, "\(copied)")
        expect(cache, hasTokens: 1000, of: [0, 1])
    }
}

extension Tensor {
    fileprivate func firstColumns(_ count: Int) -> [Float] {
        (0..<rows).flatMap { self.rows($0..<$0 + 1).array.prefix(count) }
    }
}

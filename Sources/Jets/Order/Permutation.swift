import System
import Tensors

/// A random permutation of `0 ..< count` in constant memory: gives the position of any element and the element at any
/// position, without the others.
///
/// A generalised Feistel network on a × b ≥ count cells (a, b ≈ √count): x = l b + r; alternately, l += F(r) mod a and
/// r += F(l) mod b, with Philox as F. A result outside `0 ..< count` is permuted again until it is inside (Black and
/// Rogaway, "Ciphers with arbitrary finite domains", 2002); that applies to less than one in √count.
package struct Permutation: Sendable {
    /// The number of elements.
    package let count: Int
    private let left: Int
    private let right: Int
    private let key: SIMD2<UInt32>

    private static let rounds: UInt32 = 8

    /// The permutation of `count` (below 2^62) elements for a key.
    package init(count: Int, key: UInt64) {
        invariant(count >= 0 && count < 1 << 62, "no permutation of \(count) elements")
        self.count = count
        left = max(1, Int(Double(count).squareRoot().rounded(.up)))
        right = max(1, (count + left - 1) / left)
        self.key = SIMD2(UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32))
    }

    /// The element at `position`.
    package subscript(position: Int) -> Int {
        invariant(position >= 0 && position < count, "position \(position) is outside 0..<\(count)")
        var element = position
        repeat { element = forward(element) } while element >= count
        return element
    }

    /// The position of `element`.
    package func position(of element: Int) -> Int {
        invariant(element >= 0 && element < count, "element \(element) is outside 0..<\(count)")
        var position = element
        repeat { position = backward(position) } while position >= count
        return position
    }

    private func forward(_ cell: Int) -> Int {
        var (l, r) = cell.quotientAndRemainder(dividingBy: right)
        for round in 0..<Self.rounds {
            if round & 1 == 0 {
                l += shift(round, r, below: left)
                if l >= left { l -= left }
            } else {
                r += shift(round, l, below: right)
                if r >= right { r -= right }
            }
        }
        return l * right + r
    }

    private func backward(_ cell: Int) -> Int {
        var (l, r) = cell.quotientAndRemainder(dividingBy: right)
        for round in (0..<Self.rounds).reversed() {
            if round & 1 == 0 {
                l -= shift(round, r, below: left)
                if l < 0 { l += left }
            } else {
                r -= shift(round, l, below: right)
                if r < 0 { r += right }
            }
        }
        return l * right + r
    }

    private func shift(_ round: UInt32, _ half: Int, below bound: Int) -> Int {
        let counter = SIMD4(
            UInt32(truncatingIfNeeded: half), UInt32(truncatingIfNeeded: half >> 32), round, 0)
        let words = Philox4x32.block(counter: counter, key: key)
        // Multiplication instead of a remainder; its bias is below 2^-30.
        let random = UInt64(words.x) | UInt64(words.y) << 32
        return Int(UInt64(bound).multipliedFullWidth(by: random).high)
    }
}

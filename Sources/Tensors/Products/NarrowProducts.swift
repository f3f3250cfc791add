internal import CKernels
import Foundation
import Synchronization
import System

/// Which instructions multiply bfloat16 numbers. Both round alike, and add in other orders.
package enum NarrowProducts: String, CaseIterable, Sendable {
    /// AVX512-BF16: a pair of numbers in each lane of a vector.
    case vectors
    /// AMX: tiles of 16 × 32 numbers, at many times the rate.
    case tiles

    /// What this process uses: at first the best that its processor has, or what was asked for.
    package static var inUse: NarrowProducts {
        get { chosen.withLock { $0 } }
        set {
            invariant(newValue == .vectors || hasTiles, "this processor has no tiles")
            chosen.withLock { $0 = newValue }
        }
    }

    private static let chosen = Mutex(
        (try? choice(ProcessInfo.processInfo.environment["KAON_BF16_PRODUCTS"])) ?? .vectors)

    /// Whether this processor has tiles, and the system lets this process use them.
    private static let hasTiles = ck_has_tiles() != 0

    /// What `KAON_BF16_PRODUCTS` asks for; without it the best that this processor has.
    package static func choice(_ asked: String?) throws -> NarrowProducts {
        guard let asked else { return hasTiles ? .tiles : .vectors }
        guard let choice = NarrowProducts(rawValue: asked) else {
            throw NarrowProductsError(
                description: "KAON_BF16_PRODUCTS is \(asked); it can be \(allCases.map(\.rawValue).joined(separator: " or "))")
        }
        guard choice == .vectors || hasTiles else {
            throw NarrowProductsError(description: "KAON_BF16_PRODUCTS is tiles, which this processor does not have (AMX)")
        }
        return choice
    }
}

/// A wish that cannot be fulfilled, in words.
package struct NarrowProductsError: Error, CustomStringConvertible {
    package let description: String
}

extension Precision {
    /// For people: the precision, and the instructions where they are not the usual ones.
    package var name: String {
        self == .bfloat16 && NarrowProducts.inUse == .tiles ? "bf16 (AMX)" : rawValue
    }
}

internal import CKernels
import Foundation
import Synchronization
import System

/// The instructions that multiply bfloat16 numbers. Both round alike; their sums differ in the order of addition.
package enum BFloat16Instructions: String, CaseIterable, Sendable {
    /// AVX512-BF16: a pair of numbers in each lane of a vector.
    case vectors
    /// AMX: tiles of 16 × 32 numbers, at many times the rate.
    case tiles

    /// The instructions that this process uses; initially those of `choice` for the environment variable
    /// `KAON_BF16_PRODUCTS`.
    package static var inUse: BFloat16Instructions {
        get { chosen.withLock { $0 } }
        set {
            invariant(newValue == .vectors || hasTiles, "this processor has no tiles")
            chosen.withLock { $0 = newValue }
        }
    }

    private static let chosen = Mutex(
        (try? choice(ProcessInfo.processInfo.environment["KAON_BF16_PRODUCTS"])) ?? .vectors)

    /// True if this processor has tiles and the operating system permits this process to use them.
    static let hasTiles = ck_has_tiles() != 0

    /// The instructions of a value of `KAON_BF16_PRODUCTS`; the best that this processor has for nil.
    ///
    /// Throws `BFloat16InstructionsError` for other values and for instructions that the processor lacks.
    package static func choice(_ value: String?) throws -> BFloat16Instructions {
        guard let value else { return hasTiles ? .tiles : .vectors }
        guard let choice = BFloat16Instructions(rawValue: value) else {
            throw BFloat16InstructionsError(
                description: "KAON_BF16_PRODUCTS is \(value); it can be "
                    + allCases.map(\.rawValue).joined(separator: " or "))
        }
        guard choice == .vectors || hasTiles else {
            throw BFloat16InstructionsError(
                description: "KAON_BF16_PRODUCTS is tiles, which this processor does not have (AMX)")
        }
        return choice
    }
}

/// A value of `KAON_BF16_PRODUCTS` that this process cannot follow.
package struct BFloat16InstructionsError: Error, CustomStringConvertible {
    package let description: String
}

extension Precision {
    /// The precision for reports, with the instructions where they are not the usual ones.
    package var name: String {
        self == .bfloat16 && BFloat16Instructions.inUse == .tiles ? "bf16 (AMX)" : rawValue
    }
}

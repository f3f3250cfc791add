internal import CKernels

/// The format of the factors of matrix products; sums, and operations other than products, are in single precision.
package enum Precision: String, CaseIterable, Sendable {
    case single = "fp32"
    case bfloat16 = "bf16"

    /// True if this processor multiplies bfloat16 numbers (AVX512-BF16).
    package static var hasBFloat16: Bool { ck_has_bfloat16() != 0 }
}

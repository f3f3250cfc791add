internal import CKernels

/// What the matrix products of a model multiply; their sums, and all that is no product, are of single precision.
package enum Precision: String, CaseIterable, Sendable {
    case single = "fp32"
    case bfloat16 = "bf16"

    /// Whether this processor multiplies bfloat16 numbers (AVX512-BF16).
    package static var hasBFloat16: Bool { ck_has_bfloat16() != 0 }
}

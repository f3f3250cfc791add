/// The number format of the elements of a tensor.
package enum ScalarType: Sendable {
    case float32
    /// The upper half of a single-precision number: 8 bits of exponent, 8 bits of precision.
    case bfloat16

    /// Bytes per element.
    package var size: Int { self == .float32 ? 4 : 2 }
}

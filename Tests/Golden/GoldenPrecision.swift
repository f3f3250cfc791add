import Tensors

extension Precision {
    /// Precision in which reference values are compared.
    package static var tested: [Precision] { hasBFloat16 ? [.single, .bfloat16] : [.single] }

    /// How far results may be from the reference values: in single precision 2e-4 of the largest magnitude of each
    /// tensor. With products of bfloat16 numbers every number on the way is off by up to 2⁻⁹, single elements say
    /// little, and the norm of the difference is held against the norm of the tensor.
    package var goldenTolerance: Float { self == .single ? Golden.goldenTolerance : 0.02 }

    /// How far results are from the reference values, in the measure of the tolerance.
    package func error(_ actual: [Float], _ expected: [Float]) -> Float {
        if self == .single { return relativeError(actual, expected) }
        guard actual.count == expected.count, !actual.contains(where: \.isNaN) else { return .infinity }
        func norm(_ values: some Sequence<Float>) -> Float { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        return norm(zip(actual, expected).map { $0 - $1 }) / max(norm(expected), .leastNormalMagnitude)
    }
}

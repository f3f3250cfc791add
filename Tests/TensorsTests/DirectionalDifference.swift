import Tensors
import Testing

/// Checks gradients against central differences of the function itself: along a random direction u,
///
///     (f(x + ε u) − f(x − ε u)) / 2ε = Σ ∂f/∂x · u
///
/// for the ε with the smallest error. The error is relative to the norm of the gradient, the typical size of the
/// derivative along a random direction. The displacements are those after rounding.
func expectDirectionalDerivative(
    _ function: ([Tensor]) -> Double, at inputs: [Tensor], gradients: [Tensor], seed: UInt64 = 91,
    tolerance: Double = 1e-3, location: SourceLocation = #_sourceLocation
) {
    let directions = inputs.enumerated().map { randomTensor($1.shape, seed: seed + UInt64($0)) }
    let norm = gradients.reduce(0) { $0 + $1.sumOfSquares }.squareRoot()
    var errors: [Double] = []
    for epsilon: Float in [2e-2, 1e-2, 5e-3, 2e-3, 1e-3] {
        let above = zip(inputs, directions).map { displaced($0, by: epsilon, along: $1) }
        let below = zip(inputs, directions).map { displaced($0, by: -epsilon, along: $1) }
        var expected = 0.0
        for (gradient, (above, below)) in zip(gradients, zip(above, below)) {
            for i in 0..<gradient.count {
                expected += Double(gradient.buffer[i]) * (Double(above.buffer[i]) - Double(below.buffer[i]))
            }
        }
        errors.append(abs(function(above) - function(below) - expected) / (2 * Double(epsilon)))
    }
    let error = errors.contains(where: \.isNaN) ? .nan : errors.min()!
    #expect(
        error <= tolerance * max(norm, 1e-3),
        "the derivative along a random direction is off by \(error), the gradient's norm is \(norm)",
        sourceLocation: location)
}

private func displaced(_ x: Tensor, by epsilon: Float, along direction: Tensor) -> Tensor {
    Tensor(zip(x.buffer, direction.buffer).map { $0 + epsilon * $1 }, shape: x.shape)
}

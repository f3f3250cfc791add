import Tensors

/// Elementwise activation function.
package enum Activation: Sendable, Equatable {
    /// x for x > 0, slope · x elsewhere.
    case leakyReLU(slope: Float)
    /// x σ(x).
    case silu
    /// x Φ(x).
    case gelu

    /// f(x), with the shape of x.
    package func callAsFunction(_ x: Variable, on tape: Tape) -> Variable {
        switch self {
        case .leakyReLU(let slope): tape.leakyReLU(x, slope: slope)
        case .silu: tape.silu(x)
        case .gelu: tape.gelu(x)
        }
    }
}

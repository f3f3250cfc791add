import Foundation
import System
import Tensors

/// Straight paths of conditional flow matching (Lipman et al., arXiv:2210.02747; Liu et al., arXiv:2209.03003), from
/// data at t = 0 to noise at t = 1:
///
///     x_t = (1 − t) data + t noise        dx_t/dt = noise − data
package struct FlowMatchingPath {
    /// x_t, `[tokens, features]`.
    package let position: Tensor
    /// dx_t/dt, the target of the network, `[tokens, features]`.
    package let velocity: Tensor

    /// - Parameter times: one for each token.
    package init(data: Tensor, noise: Tensor, times: [Float]) {
        invariant(data.shape == noise.shape, "noise of shape \(noise.shape) for data of \(data.shape)")
        invariant(times.count == data.rows, "\(times.count) times for \(data.rows) tokens")
        let columns = data.columns
        position = Tensor(shape: data.shape)
        velocity = Tensor(shape: data.shape)
        for (row, t) in times.enumerated() {
            for i in row * columns..<(row + 1) * columns {
                let (from, to) = (data.pointer[i], noise.pointer[i])
                position.pointer[i] = (1 - t) * from + t * to
                velocity.pointer[i] = to - from
            }
        }
    }

    /// Draws a time for training: the logistic function of a standard normal number, which favours the middle (Esser et
    /// al., arXiv:2403.03206).
    package static func time(from random: inout RandomSequence) -> Float {
        1 / (1 + exp(-random.normal()))
    }
}

/// Encodes times for a network, `[times, features]`: cos(π t exp(k)), k = 0 … features − 1.
///
/// Computed in double precision, because the cosine of k = 15 has more than 10⁶ periods in [0, 1].
package func timeEncoding(_ times: [Float], features: Int) -> Tensor {
    let frequencies = (0..<features).map { Double.pi * exp(Double($0)) }
    return Tensor(
        times.flatMap { t in frequencies.map { Float(cos($0 * Double(t))) } }, shape: [times.count, features])
}

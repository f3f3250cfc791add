import Foundation
import System
import Tensors

/// Integrates dx/dt = v(x, t) for packed jets.
///
///     let x = try ODESolver.midpoint(steps: 50).integrate(noise, offsets: offsets, from: 1, to: 0) { x, times in … }
package enum ODESolver: Sendable, Equatable {
    /// x ← x + h v(x, t): one evaluation per step, global error O(h).
    case euler(steps: Int)
    /// x ← x + h v(x + h/2 v(x, t), t + h/2): two evaluations per step, global error O(h²).
    case midpoint(steps: Int)
    /// The embedded pair of orders 5 and 4 of Dormand and Prince (J. Comput. Appl. Math. 6, 19, 1980): six evaluations
    /// per step. The step size keeps the difference of the two below tolerance · (1 + |x|), as the root mean square
    /// over a jet.
    case adaptive(tolerance: Double, maximumSteps: Int = 1000)

    /// An integration that did not converge, or a velocity that is not finite.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Returns x at the time `end`, given x at the time `start`; `end` may be smaller than `start`.
    ///
    /// The adaptive solver uses separate step sizes for every jet, so that the result for a jet does not depend on the
    /// other jets. Throws `Failure` if it exceeds its number of steps, or if a velocity is not finite.
    ///
    /// - Parameters:
    ///   - x: `[tokens, features]`.
    ///   - offsets: offsets of the jets.
    ///   - velocity: v for all tokens, `[tokens, features]`, given the time of every jet.
    package func integrate(
        _ x: Tensor, offsets: Offsets, from start: Double, to end: Double,
        velocity: (_ x: Tensor, _ times: [Float]) throws -> Tensor
    ) throws -> Tensor {
        invariant(offsets.tokens == x.rows, "offsets of \(offsets.tokens) tokens for \(x.rows) rows")
        guard x.rows > 0 else { return x.copy() }
        func same(_ value: Double) -> [Double] { [Double](repeating: value, count: offsets.jets) }
        func all(_ time: Double) -> [Float] { [Float](repeating: Float(time), count: offsets.jets) }
        switch self {
        case .euler(let steps):
            let h = (end - start) / Double(steps)
            return try (0..<steps).reduce(x) { x, step in
                let v = try velocity(x, all(start + h * Double(step)))
                return x.moved(same(h), along: [(1, v)], offsets)
            }.checked(from: start, to: end)
        case .midpoint(let steps):
            let h = (end - start) / Double(steps)
            return try (0..<steps).reduce(x) { x, step in
                let t = start + h * Double(step)
                let middle = x.moved(same(h), along: [(0.5, try velocity(x, all(t)))], offsets)
                return x.moved(same(h), along: [(1, try velocity(middle, all(t + h / 2)))], offsets)
            }.checked(from: start, to: end)
        case .adaptive(let tolerance, let maximumSteps):
            var run = AdaptiveRun(x, offsets, start, end, tolerance)
            run.slopes = try velocity(x, run.times.map { Float($0) })
            for _ in 0..<maximumSteps {
                try run.step(velocity)
                if run.isFinished { return run.x }
            }
            throw Failure(
                description: "the adaptive solver has not reached time \(end) after \(maximumSteps) steps; allow more "
                    + "steps or a tolerance above \(tolerance)")
        }
    }
}

/// State of a Dormand–Prince integration in which every jet has its own time and step size.
private struct AdaptiveRun {
    var x: Tensor
    /// Velocity at x: the last stage of a step is the first of the next.
    var slopes: Tensor
    var times: [Double]
    private var steps: [Double]
    private let end: Double
    private let offsets: Offsets
    private let tolerance: Double

    /// Butcher tableau: nodes and coefficients of the stages after the first; the last row gives the result of order 5.
    private static let nodes: [Double] = [1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1]
    private static let stages: [[Double]] = [
        [1.0 / 5],
        [3.0 / 40, 9.0 / 40],
        [44.0 / 45, -56.0 / 15, 32.0 / 9],
        [19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729],
        [9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656],
        [35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84],
    ]
    /// Coefficients of the difference of the results of orders 5 and 4.
    private static let error: [Double] = [
        71.0 / 57600, 0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40,
    ]

    init(_ x: Tensor, _ offsets: Offsets, _ start: Double, _ end: Double, _ tolerance: Double) {
        (self.x, self.offsets, self.end, self.tolerance) = (x.copy(), offsets, end, tolerance)
        slopes = x
        // Jets without constituents are finished.
        times = (0..<offsets.jets).map { offsets[$0].isEmpty ? end : start }
        steps = [Double](repeating: (end - start) / 20, count: offsets.jets)
    }

    var isFinished: Bool { times.allSatisfy { $0 == end } }

    /// Attempts one step of every unfinished jet, accepts it if the error is small enough, and sets the next step size.
    mutating func step(_ velocity: (Tensor, [Float]) throws -> Tensor) throws {
        let sizes = times.indices.map { jet in
            let left = end - times[jet]
            return abs(steps[jet]) < abs(left) ? steps[jet] : left
        }
        var k = [slopes]
        var result = x
        for (node, weights) in zip(Self.nodes, Self.stages) {
            result = x.moved(sizes, along: Array(zip(weights, k)), offsets)
            k.append(try velocity(result, zip(times, sizes).map { Float($0 + node * $1) }))
        }
        let zero = Tensor(repeating: 0, shape: x.shape)
        let difference = zero.moved(sizes, along: Array(zip(Self.error, k)), offsets)
        for jet in times.indices where times[jet] != end {
            let error = relativeError(of: jet, difference, result)
            guard error.isFinite else {
                throw ODESolver.Failure(description: "the velocity is not finite near time \(times[jet])")
            }
            if error <= 1 {
                times[jet] = sizes[jet] == end - times[jet] ? end : times[jet] + sizes[jet]
                x.replaceRows(offsets[jet], by: result)
                slopes.replaceRows(offsets[jet], by: k[6])
            }
            steps[jet] = sizes[jet] * min(5, max(0.2, 0.9 * pow(max(error, 1e-10), -0.2)))
        }
    }

    /// Root mean square of the difference relative to the tolerance.
    private func relativeError(of jet: Int, _ difference: Tensor, _ result: Tensor) -> Double {
        let columns = x.columns
        var sum = 0.0
        let range = offsets[jet].lowerBound * columns..<offsets[jet].upperBound * columns
        for i in range {
            let size = Double(max(abs(x.pointer[i]), abs(result.pointer[i])))
            let part = Double(difference.pointer[i]) / (tolerance * (1 + size))
            sum += part * part
        }
        return (sum / Double(range.count)).squareRoot()
    }
}

extension Tensor {
    /// x + h_j Σ_i weight_i · slope_i, with the step size h_j of jet j.
    fileprivate func moved(
        _ steps: [Double], along slopes: [(weight: Double, slope: Tensor)], _ offsets: Offsets
    ) -> Tensor {
        let result = copy()
        for jet in 0..<offsets.jets {
            let range = offsets[jet].lowerBound * columns..<offsets[jet].upperBound * columns
            for (weight, slope) in slopes where weight != 0 {
                let factor = Float(steps[jet] * weight)
                let from = slope.pointer
                for i in range { result.pointer[i] += factor * from[i] }
            }
        }
        return result
    }

    /// The result of an integration. Throws `ODESolver.Failure` unless it is finite.
    fileprivate func checked(from start: Double, to end: Double) throws -> Tensor {
        guard isFinite else {
            throw ODESolver.Failure(description: "the velocity is not finite between the times \(start) and \(end)")
        }
        return self
    }

    fileprivate func replaceRows(_ rows: Range<Int>, by other: Tensor) {
        (pointer + rows.lowerBound * columns).update(
            from: other.pointer + rows.lowerBound * columns, count: rows.count * columns)
    }
}

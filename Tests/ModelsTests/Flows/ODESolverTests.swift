import Foundation
import Models
import Tensors
import Testing

@Suite struct ODESolverTests {
    /// Rotations of the plane with a rate for each jet, whose x(t) is known exactly.
    private let offsets = Offsets(counts: [2, 0, 1, 3])
    private let rates: [Double] = [1, 7, 3, 0.5]

    private func turn(_ x: Tensor, _ times: [Float]) -> Tensor {
        #expect(times.count == 4)
        let result = Tensor(shape: x.shape)
        for jet in 0..<4 {
            for row in offsets[jet] {
                // The rate doubles from t = 0 to t = 1.
                let rate = Float(rates[jet]) * (1 + times[jet])
                result.buffer[2 * row] = -rate * x.buffer[2 * row + 1]
                result.buffer[2 * row + 1] = rate * x.buffer[2 * row]
            }
        }
        return result
    }

    private let start = Tensor([1, 0, 0, 1, 2, 0, 1, 1, -1, 0, 0.5, 0.5], shape: [6, 2])

    /// Largest error from the exact rotation by ∫ rate dt = −1.5 rate, from t = 1 to t = 0.
    private func error(_ solver: ODESolver) throws -> Double {
        let end = try solver.integrate(start, offsets: offsets, from: 1, to: 0) { turn($0, $1) }
        var worst = 0.0
        for jet in 0..<4 {
            let (c, s) = (cos(-1.5 * rates[jet]), sin(-1.5 * rates[jet]))
            for row in offsets[jet] {
                let (x, y) = (Double(start.buffer[2 * row]), Double(start.buffer[2 * row + 1]))
                worst = max(worst, abs(Double(end.buffer[2 * row]) - (c * x - s * y)))
                worst = max(worst, abs(Double(end.buffer[2 * row + 1]) - (s * x + c * y)))
            }
        }
        return worst
    }

    /// Twice the steps: half the error for Euler, a quarter for the midpoint.
    @Test func orders() throws {
        let euler = try (error(.euler(steps: 400)), error(.euler(steps: 800)))
        #expect(euler.1 < 0.06 && abs(euler.0 / euler.1 - 2) < 0.1, "\(euler)")
        let midpoint = try (error(.midpoint(steps: 50)), error(.midpoint(steps: 100)))
        #expect(midpoint.1 < 0.03 && abs(midpoint.0 / midpoint.1 - 4) < 0.2, "\(midpoint)")
    }

    @Test(arguments: [1e-3, 1e-4, 1e-5]) func theAdaptiveSolverKeepsItsTolerance(tolerance: Double) throws {
        let error = try error(.adaptive(tolerance: tolerance))
        #expect(error < 20 * tolerance)
    }

    /// A looser tolerance and a smooth path need fewer evaluations of the velocity.
    @Test func theAdaptiveSolverAdapts() throws {
        func calls(_ tolerance: Double) throws -> Int {
            var calls = 0
            _ = try ODESolver.adaptive(tolerance: tolerance).integrate(
                start, offsets: offsets, from: 1, to: 0
            ) {
                calls += 1
                return turn($0, $1)
            }
            return calls
        }
        let (loose, tight) = try (calls(1e-2), calls(1e-6))
        #expect(loose < tight && loose < 60)
    }

    /// The result for a jet has the same bits in any batch.
    @Test(arguments: [ODESolver.euler(steps: 5), .midpoint(steps: 5), .adaptive(tolerance: 1e-4)])
    func jetsAreIndependent(solver: ODESolver) throws {
        let together = try solver.integrate(start, offsets: offsets, from: 0, to: 1) { turn($0, $1) }
        for jet in [0, 2, 3] {
            let rows = offsets[jet]
            let alone = Offsets(counts: [rows.count])
            let end = try solver.integrate(start.rows(rows).copy(), offsets: alone, from: 0, to: 1) {
                x, times in
                let result = Tensor(shape: x.shape)
                let rate = Float(rates[jet]) * (1 + times[0])
                for row in 0..<x.rows {
                    result.buffer[2 * row] = -rate * x.buffer[2 * row + 1]
                    result.buffer[2 * row + 1] = rate * x.buffer[2 * row]
                }
                return result
            }
            #expect(end.array == together.rows(rows).array)
        }
    }

    /// The argument is not changed; jets without constituents need no velocity.
    @Test func startAndNothing() throws {
        let before = start.array
        for solver in [ODESolver.euler(steps: 2), .midpoint(steps: 2), .adaptive(tolerance: 0.1)] {
            _ = try solver.integrate(start, offsets: offsets, from: 0, to: 1) { turn($0, $1) }
            #expect(start.array == before)
            let nothing = try solver.integrate(
                Tensor(shape: [0, 3]), offsets: Offsets(counts: [0, 0]), from: 0, to: 1
            ) { _, _ in Tensor(shape: [7]) }
            #expect(nothing.shape == [0, 3])
        }
    }

    @Test func failures() {
        let one = Offsets(counts: [1])
        for solver in [ODESolver.euler(steps: 3), .midpoint(steps: 3), .adaptive(tolerance: 1e-4)] {
            for value in [Float.nan, .infinity] {
                #expect {
                    try solver.integrate(Tensor([1], shape: [1, 1]), offsets: one, from: 0, to: 1) { _, _ in
                        Tensor([value], shape: [1, 1])
                    }
                } throws: {
                    "\($0)".contains("the velocity is not finite")
                }
            }
        }
        #expect {
            try ODESolver.adaptive(tolerance: 1e-7, maximumSteps: 3).integrate(
                Tensor([1], shape: [1, 1]), offsets: one, from: 0, to: 1
            ) { x, _ in Tensor([100 * x.array[0]], shape: [1, 1]) }
        } throws: {
            "\($0)".contains("after 3 steps")
        }
    }
}

import Foundation
import Testing
import Training

@Suite struct RateCurveTests {
    /// A curve with these losses along rates from 10⁻⁶ to 1.
    private func curve(_ count: Int, _ loss: (Double) -> Double?) -> RateCurve {
        var curve = RateCurve()
        for index in 0..<count where !curve.hasDiverged {
            let rate = RateCurve.rate(index, of: count, from: 1e-6, to: 1)
            curve.add(rate: rate, loss: loss(rate), gradientNorm: 1)
        }
        return curve
    }

    @Test func ratesGrowExponentially() {
        #expect(RateCurve.rate(0, of: 201, from: 1e-6, to: 1) == 1e-6)
        #expect(abs(RateCurve.rate(100, of: 201, from: 1e-6, to: 1) - 1e-3) < 1e-12)
        #expect(abs(RateCurve.rate(200, of: 201, from: 1e-6, to: 1) - 1) < 1e-12)
    }

    /// The smoothed loss of a constant is that constant from the first step on.
    @Test func smoothingHasNoBias() {
        let curve = curve(30) { _ in 2.5 }
        #expect(curve.points.count == 30 && curve.points.allSatisfy { abs($0.smoothed - 2.5) < 1e-12 })
        #expect(curve.suggestion == nil && !curve.hasDiverged)
    }

    /// A loss that falls fastest at 10⁻³ and explodes beyond 10⁻¹; the smoothed loss is about ten steps late.
    @Test(arguments: [0.0, -8]) func theSteepestDescentIsSuggested(offset: Double) throws {
        let curve = curve(400) { rate in
            offset + 3 - 2 / (1 + exp(-4 * (log10(rate) + 3))) + (rate > 0.1 ? exp(40 * (log10(rate) + 1)) : 0)
        }
        #expect(curve.hasDiverged && curve.points.count < 400)
        let suggestion = curve.points[try #require(curve.suggestion)].rate
        #expect(suggestion > 1e-3 && suggestion < 2e-3, "\(suggestion)")
        let lowest = curve.points[try #require(curve.lowest)].rate
        #expect(lowest > 5e-2 && lowest < 0.13, "\(lowest)")
    }

    @Test func aLossThatIsNotFiniteEndsTheTest() {
        let curve = curve(100) { $0 < 1e-3 ? 1 : .nan }
        #expect(curve.hasDiverged && curve.points.count < 60)
        #expect(curve.points.last!.loss == nil && abs(curve.points.last!.smoothed - 1) < 1e-12)
        let lines = curve.csv.split(separator: "\n")
        #expect(lines.count == curve.points.count + 1 && lines.last!.contains(",nan,"))
        #expect(lines[0] == "step,learning_rate,loss,smoothed_loss,gradient_norm,suggested")
    }

    /// Noise of a tenth of the loss is no divergence.
    @Test func noiseIsNoDivergence() {
        var sign = 1.0
        let curve = curve(200) { _ in
            sign = -sign
            return 1 + 0.1 * sign
        }
        #expect(curve.points.count == 200)
    }
}

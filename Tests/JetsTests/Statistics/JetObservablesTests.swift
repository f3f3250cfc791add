import Foundation
import Jets
import Tensors
import Testing

@Suite struct JetObservablesTests {
    /// One massless particle, none, and two of 40 and 30 GeV at right angles in the transverse plane.
    @Test func knownJets() {
        let jets = JetObservables(
            momenta: [SIMD3(25, 0.3, -0.2), SIMD3(40, 0, 0), SIMD3(30, 0, .pi / 2)],
            offsets: Offsets(counts: [1, 0, 2]))
        expectNear(jets.transverseMomenta, [25, 0, 50])
        // E = 70, p = 50; the mass of a single particle is the rounding error of its squared momentum.
        expectNear([jets.masses[1], jets.masses[2]], [0, 2400.0.squareRoot()])
        #expect(jets.masses[0] < 1e-5)
    }

    /// m² = 2 pT₁ pT₂ (cosh Δη₁₂ − cos Δφ₁₂) for two massless particles.
    @Test func theMassOfTwo() {
        let jets = JetObservables(
            momenta: [SIMD3(120, 0.4, -0.1), SIMD3(35, -0.25, 0.35)], offsets: Offsets(counts: [2]))
        expectNear(jets.masses, [(2 * 120 * 35 * (cosh(0.65) - cos(0.45))).squareRoot()])
        expectNear(
            jets.transverseMomenta, [(120 * 120 + 35 * 35 + 2 * 120 * 35 * cos(0.45)).squareRoot()])
    }

    /// Rotation in φ and a boost along the beam leave pT and mass unchanged.
    @Test func theAxisDoesNotCount() {
        var random = RandomSequence(RandomKey(seed: 1, stream: .sampling))
        let momenta = (0..<30).map { _ in
            SIMD3(50 * random.uniform(), 0.8 * (random.uniform() - 0.5), 0.8 * (random.uniform() - 0.5))
        }
        let offsets = Offsets(counts: [30])
        let plain = JetObservables(momenta: momenta, offsets: offsets)
        let moved = JetObservables(momenta: momenta.map { $0 + SIMD3(0, 0.5, 1.25) }, offsets: offsets)
        expectNear(moved.masses, plain.masses, 1e-5)
        expectNear(moved.transverseMomenta, plain.transverseMomenta, 1e-5)
    }

    @Test func momentaAmongFeatures() throws {
        let features = try JetFeatures(["dphi", "d0", "pt", "deta"])
        let momenta = JetObservables.momenta(of: [0.1, 9, 25, 0.2, 0.3, 9, 35, 0.4], features: features)
        #expect(momenta == [SIMD3(25, 0.2, 0.1), SIMD3(35, 0.4, 0.3)])
    }

    private func expectNear(_ actual: [Double], _ expected: [Double], _ tolerance: Double = 1e-6) {
        #expect(actual.count == expected.count)
        for (a, e) in zip(actual, expected) { #expect(abs(a - e) <= tolerance * max(1, abs(e))) }
    }
}

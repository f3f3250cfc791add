import Foundation
import System
import Tensors

/// Transverse momentum and mass of jets, computed from their constituents as massless particles.
///
/// p = (pT cos Δφ, pT sin Δφ, pT sinh Δη) and E = pT cosh Δη relative to the jet axis: pT and mass do not depend on its
/// direction.
package struct JetObservables: Sendable, Equatable {
    /// The transverse momentum of each jet [GeV], √(p_x² + p_y²).
    package private(set) var transverseMomenta: [Double] = []
    /// The mass of each jet [GeV], √(E² − p²).
    package private(set) var masses: [Double] = []

    /// The observables of packed jets; pT and mass of a jet without constituents are 0.
    ///
    /// - Parameters:
    ///   - momenta: pT [GeV], Δη and Δφ of each constituent.
    ///   - offsets: first constituent of each jet.
    package init(momenta: [SIMD3<Float>], offsets: Offsets) {
        invariant(momenta.count == offsets.tokens, "\(momenta.count) momenta for \(offsets.tokens) tokens")
        for jet in 0..<offsets.jets {
            var sum = SIMD4<Double>()
            for momentum in momenta[offsets[jet]] {
                let (pt, eta, phi) = (Double(momentum.x), Double(momentum.y), Double(momentum.z))
                sum += pt * SIMD4(cos(phi), sin(phi), sinh(eta), cosh(eta))
            }
            let transverse = sum.x * sum.x + sum.y * sum.y
            transverseMomenta.append(transverse.squareRoot())
            // Rounding may make the squared mass of a single particle negative.
            masses.append(max(0, sum.w * sum.w - transverse - sum.z * sum.z).squareRoot())
        }
    }

    /// The momenta (pT, Δη, Δφ), or (pT, η, φ) of events, in features as stored, `[tokens, features.count]`; nil if one
    /// of the three is not among the features.
    package static func momenta(of values: [Float], features: JetFeatures) -> [SIMD3<Float>]? {
        guard let columns = features.momentumColumns else { return nil }
        return stride(from: 0, to: values.count, by: features.count).map {
            SIMD3(values[$0 + columns[0]], values[$0 + columns[1]], values[$0 + columns[2]])
        }
    }
}

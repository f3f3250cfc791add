internal import CKernels
import System

// a, b constituents of one jet; y rapidity
//
//   ΔR² = (y_a − y_b)² + (φ_a − φ_b)²      kT = min(pT) ΔR      z = min(pT) / (pT_a + pT_b)      m² = (p_a + p_b)²

/// A quantity of two constituents of a jet (Qu et al., arXiv:2202.03772); arguments of the logarithms are at least
/// 1e-8.
package enum PairFeature: String, CaseIterable, Sendable {
    /// Logarithm of the distance in rapidity and azimuth.
    case logDistance = "ln_dr"
    /// Logarithm of the smaller transverse momentum times the distance.
    case logTransverseMomentum = "ln_kt"
    /// Logarithm of the smaller transverse momentum over the sum of both.
    case logFraction = "ln_z"
    /// Logarithm of the squared mass.
    case logMass = "ln_m2"

    fileprivate var number: Int32 {
        switch self {
        case .logDistance: 0
        case .logTransverseMomentum: 1
        case .logFraction: 2
        case .logMass: 3
        }
    }
}

extension Offsets {
    /// The pairs i ≤ j of each jet, in the order (0, 0), (0, 1) … (1, 1) … of each.
    package var pairsWithSelf: Offsets {
        Offsets(counts: (0..<jets).map { self[$0].count * (self[$0].count + 1) / 2 })
    }
}

extension Tensor {
    /// The features of the pairs i ≤ j of each jet, `[pairs, features]`.
    ///
    /// - Parameter momenta: transverse momentum, rapidity, azimuth and squared mass of each constituent,
    ///   `[tokens, 4]`.
    package static func pairFeatures(_ features: [PairFeature], of momenta: Tensor, offsets: Offsets) -> Tensor {
        invariant(
            momenta.shape == [offsets.tokens, 4], "momenta of shape \(momenta.shape) for \(offsets.tokens) tokens")
        let pairs = offsets.pairsWithSelf
        let numbers = features.map(\.number)
        let result = Tensor(shape: [pairs.tokens, features.count])
        parallel(costs: (0..<offsets.jets).map { pairs[$0].count }) { jets in
            for jet in jets {
                ck_pair_features(
                    result.pointer + pairs[jet].lowerBound * numbers.count,
                    momenta.pointer + offsets[jet].lowerBound * 4, numbers, Int64(numbers.count),
                    Int64(offsets[jet].count))
            }
        }
        return result
    }
}

import Foundation

/// Learning-rate schedule: the factor on the peak learning rate as a function of the step, counted from 0.
package enum Schedule: Sendable, Equatable {
    /// Factor 1 at every step.
    case constant
    /// Linear warm-up from `initialFactor` to 1 over `warmupSteps`, then exponential decay with a half-life of
    /// `halfLife` steps, bounded below by `finalFactor`.
    case warmupExponential(warmupSteps: Int, halfLife: Double, initialFactor: Double = 0, finalFactor: Double = 1e-3)
    /// Linear warm-up from `initialFactor` to 1 over `warmupSteps`, then cosine decay to zero at `totalSteps`, bounded
    /// below by `finalFactor`.
    case warmupCosine(warmupSteps: Int, totalSteps: Int, initialFactor: Double = 0, finalFactor: Double = 1e-3)
    /// Linear warm-up from `initialFactor` to 1 over `warmupSteps`, then linear decay to zero at `totalSteps`, bounded
    /// below by `finalFactor`.
    case warmupLinear(warmupSteps: Int, totalSteps: Int, initialFactor: Double = 0, finalFactor: Double = 1e-3)

    /// Factor on the peak learning rate at a step.
    package func factor(step: Int) -> Double {
        switch self {
        case .constant:
            return 1
        case .warmupExponential(let warmupSteps, let halfLife, let initialFactor, let finalFactor):
            return warmup(step, warmupSteps, initialFactor)
                ?? max(finalFactor, pow(0.5, Double(step - warmupSteps) / halfLife))
        case .warmupCosine(let warmupSteps, let totalSteps, let initialFactor, let finalFactor):
            let progress = progress(step, from: warmupSteps, to: totalSteps)
            return warmup(step, warmupSteps, initialFactor) ?? max(finalFactor, (1 + cos(Double.pi * progress)) / 2)
        case .warmupLinear(let warmupSteps, let totalSteps, let initialFactor, let finalFactor):
            let progress = progress(step, from: warmupSteps, to: totalSteps)
            return warmup(step, warmupSteps, initialFactor) ?? max(finalFactor, 1 - progress)
        }
    }

    /// Factor during the warm-up; nil afterwards.
    private func warmup(_ step: Int, _ steps: Int, _ initialFactor: Double) -> Double? {
        step < steps ? initialFactor + (1 - initialFactor) * Double(step) / Double(steps) : nil
    }

    /// Fraction of a decay that is over at a step, from 0 to 1.
    private func progress(_ step: Int, from first: Int, to last: Int) -> Double {
        min(1, Double(step - first) / Double(max(1, last - first)))
    }
}

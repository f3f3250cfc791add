import Foundation

/// The learning rate as a factor of its peak, a pure function of the step (the first step is 0).
package enum Schedule: Sendable, Equatable {
    /// The peak at every step.
    case constant
    /// A linear rise over `warmupSteps` from `initialFactor` of the peak, then a fall by half every `halfLife` steps, down
    /// to `finalFactor`.
    case warmupExponential(warmupSteps: Int, halfLife: Double, initialFactor: Double = 0, finalFactor: Double = 1e-3)
    /// A linear rise over `warmupSteps` from `initialFactor` of the peak, then half a cosine that would reach zero at
    /// `totalSteps`, and is not below `finalFactor`.
    case warmupCosine(warmupSteps: Int, totalSteps: Int, initialFactor: Double = 0, finalFactor: Double = 1e-3)

    /// The factor at a step.
    package func factor(step: Int) -> Double {
        switch self {
        case .constant:
            return 1
        case .warmupExponential(let warmupSteps, let halfLife, let initialFactor, let finalFactor):
            return warmup(step, warmupSteps, initialFactor)
                ?? max(finalFactor, pow(0.5, Double(step - warmupSteps) / halfLife))
        case .warmupCosine(let warmupSteps, let totalSteps, let initialFactor, let finalFactor):
            let part = min(1, Double(step - warmupSteps) / Double(max(1, totalSteps - warmupSteps)))
            return warmup(step, warmupSteps, initialFactor) ?? max(finalFactor, (1 + cos(Double.pi * part)) / 2)
        }
    }

    /// The factor while it rises, nil afterwards.
    private func warmup(_ step: Int, _ steps: Int, _ initialFactor: Double) -> Double? {
        step < steps ? initialFactor + (1 - initialFactor) * Double(step) / Double(steps) : nil
    }
}

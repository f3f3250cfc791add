import Foundation

/// The learning rate as a factor of its peak, a pure function of the step (the first step is 0).
public enum Schedule: Sendable, Equatable {
    /// The peak at every step.
    case constant
    /// A linear rise over `warmupSteps` from `initialFactor` of the peak, then a fall by half every `halfLife` steps, down
    /// to `finalFactor`.
    case warmupExponential(warmupSteps: Int, halfLife: Double, initialFactor: Double = 0, finalFactor: Double = 1e-3)

    /// The factor at a step.
    public func factor(step: Int) -> Double {
        switch self {
        case .constant:
            return 1
        case .warmupExponential(let warmupSteps, let halfLife, let initialFactor, let finalFactor):
            if step < warmupSteps {
                return initialFactor + (1 - initialFactor) * Double(step) / Double(warmupSteps)
            }
            return max(finalFactor, pow(0.5, Double(step - warmupSteps) / halfLife))
        }
    }
}

import Configuration
import NN

extension Schedule {
    /// Decodes the section `schedule`. Throws `ConfigurationError`.
    ///
    /// - Parameter steps: the steps of the run, the default length of the cosine.
    package init(from section: Section, steps: Int) throws {
        enum Name: String, CaseIterable {
            case constant
            case warmupExponential = "warmup_exponential"
            case warmupCosine = "warmup_cosine"
        }
        let name = try section.choice(
            "name", of: Name.self, default: .warmupExponential,
            help: "learning rate over time: constant, a linear warm-up followed by an exponential decay, or followed "
                + "by half a cosine")
        switch name {
        case .constant:
            self = .constant
        case .warmupExponential:
            self = .warmupExponential(
                warmupSteps: try section.int(
                    "warmup_steps", default: 50_000, in: 0...Int(Int32.max), help: "steps of the linear warm-up"),
                halfLife: try section.double(
                    "half_life", default: 100_000, in: .positive,
                    help: "steps in which the learning rate falls by half"),
                initialFactor: try section.double(
                    "initial_factor", default: 0, in: .zeroToOne,
                    help: "learning rate at the first step, relative to the peak"),
                finalFactor: try section.double(
                    "final_factor", default: 1e-3, in: .zeroToOne,
                    help: "minimum learning rate, relative to the peak"))
        case .warmupCosine:
            self = .warmupCosine(
                warmupSteps: try section.int(
                    "warmup_steps", default: 10_000, in: 0...Int(Int32.max), help: "steps of the linear warm-up"),
                totalSteps: try section.int(
                    "total_steps", default: steps, in: 0...Int(Int32.max),
                    help: "step at which the cosine ends; by default the last step of the run"),
                initialFactor: try section.double(
                    "initial_factor", default: 0, in: .zeroToOne,
                    help: "learning rate at the first step, relative to the peak"),
                finalFactor: try section.double(
                    "final_factor", default: 1e-3, in: .zeroToOne,
                    help: "minimum learning rate, relative to the peak"))
        }
    }
}

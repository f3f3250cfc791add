import Configuration
import NN

extension Schedule {
    /// Decodes the section `schedule`. Throws `ConfigurationError`.
    ///
    /// - Parameter steps: the steps of the run, the default end of a decay.
    package init(from section: Section, steps: Int) throws {
        enum Name: String, CaseIterable {
            case constant
            case warmupExponential = "warmup_exponential"
            case warmupCosine = "warmup_cosine"
            case warmupLinear = "warmup_linear"
        }
        let name = try section.choice(
            "name", of: Name.self, default: .warmupExponential,
            help: "learning rate over time: constant, or a linear warm-up followed by an exponential decay, half a "
                + "cosine or a linear decay")
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
        case .warmupCosine, .warmupLinear:
            let warmupSteps = try section.int(
                "warmup_steps", default: 10_000, in: 0...Int(Int32.max), help: "steps of the linear warm-up")
            let totalSteps = try section.int(
                "total_steps", default: steps, in: 0...Int(Int32.max),
                help: "step at which the decay ends; by default the last step of the run")
            let initialFactor = try section.double(
                "initial_factor", default: 0, in: .zeroToOne,
                help: "learning rate at the first step, relative to the peak")
            let finalFactor = try section.double(
                "final_factor", default: 1e-3, in: .zeroToOne, help: "minimum learning rate, relative to the peak")
            let decay = name == .warmupCosine ? Schedule.warmupCosine : Schedule.warmupLinear
            self = decay(warmupSteps, totalSteps, initialFactor, finalFactor)
        }
    }
}

import Jets
import Objectives

extension RunOptions {
    /// Creates the model of the configuration with random initial weights.
    package func makeObjective(classes: JetClasses?) -> any Objective {
        objective.makeObjective(
            JetShape(data.features, maxConstituents: data.maxConstituents, classes: classes), seed: seed)
    }
}

import Jets
import Objectives

extension RunOptions {
    /// Builds the model that the configuration names, with initial weights.
    package func makeObjective(classes: JetClasses?) -> any Objective {
        objective.makeObjective(
            JetShape(data.features, maxConstituents: data.maxConstituents, classes: classes), seed: seed)
    }
}

import NN
import Objectives

/// Everything besides the weights that a run needs before its next step.
package struct PreparedRun {
    /// Preprocessing, classes and the objective's fitted state.
    package let fitted: FittedState
    package let optimizer: any Optimizer
    /// The position of the run: steps, epoch and jets so far.
    package let state: TrainingState

    package init(fitted: FittedState, optimizer: any Optimizer, state: TrainingState) {
        (self.fitted, self.optimizer, self.state) = (fitted, optimizer, state)
    }
}

import NN
import Tensors

/// Classification head of version 1 (arXiv:2401.13537): the mean of the backbone's outputs over each jet, weighted with
/// the softmax of a learned score, and a linear map to one logit for each class.
package struct WeightedPoolingHead {
    private let score: Linear
    private let classifier: Linear

    package init(width: Int, classes: Int, in scope: ParameterScope) {
        score = Linear(inputs: width, outputs: 1, in: scope.scope("score"))
        classifier = Linear(inputs: width, outputs: classes, in: scope.scope("classifier"))
    }

    /// `[tokens, width]` to `[jets, classes]`.
    package func callAsFunction(_ x: Variable, offsets: Offsets, on tape: Tape) -> Variable {
        classifier(tape.weightedPooling(x, scores: score(x, on: tape), offsets: offsets), on: tape)
    }
}

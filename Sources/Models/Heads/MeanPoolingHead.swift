import NN
import Tensors

/// Classification head of the code of version 1: a linear map without bias of every output of the backbone, the mean
/// over each jet, and a linear map to one logit for each class.
///
/// The first map is applied after the mean, which gives the same result.
package struct MeanPoolingHead {
    private let projection: ParameterSlot
    private let classifier: Linear

    package init(width: Int, hidden: Int, classes: Int, in scope: ParameterScope) {
        projection = scope.parameter(
            "projection.weight", shape: [hidden, width], .linear(inputs: width), isFactor: true)
        classifier = Linear(inputs: hidden, outputs: classes, in: scope.scope("classifier"))
    }

    /// `[tokens, width]` to `[jets, classes]`.
    package func callAsFunction(_ x: Variable, offsets: Offsets, on tape: Tape) -> Variable {
        let equal = Variable(constant: Tensor(repeating: 0, shape: [x.value.rows, 1]))
        let mean = tape.weightedPooling(x, scores: equal, offsets: offsets)
        return classifier(tape.linear(mean, weight: projection.variable, bias: nil), on: tape)
    }
}

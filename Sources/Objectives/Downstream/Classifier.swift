import Configuration
import Jets
import Models
import NN
import Tensors

/// The section `head` of a classification.
public struct ClassifierOptions: Sendable, Equatable {
    public enum Name: String, CaseIterable, Sendable {
        /// A weighted mean over the constituents and a linear map (version 1, and a linear probe).
        case weightedPooling = "weighted_pooling"
    }

    public var name = Name.weightedPooling

    public init() {}

    /// Decodes the section. Throws `ConfigurationError`.
    public init(from section: Section) throws {
        name = try section.choice("name", of: Name.self, default: name)
    }
}

/// The head of a classification: the backbone's outputs of a jet to one logit a class.
public enum Classifier {
    case weightedPooling(WeightedPoolingHead)

    public init(_ options: ClassifierOptions, inputs: Int, classes: Int, in scope: ParameterScope) {
        switch options.name {
        case .weightedPooling:
            self = .weightedPooling(WeightedPoolingHead(width: inputs, classes: classes, in: scope))
        }
    }

    /// `[tokens, inputs]` to `[jets, classes]`.
    public func callAsFunction(_ x: Variable, offsets: Offsets, on tape: Tape) -> Variable {
        switch self {
        case .weightedPooling(let head): head(x, offsets: offsets, on: tape)
        }
    }
}

import Jets
import Models
import NN
import Tensors

/// The backbone of a downstream model, in a group of parameters of its own.
public struct DownstreamBackbone {
    /// The names of the groups of parameters.
    public static let (group, headGroup) = ("backbone", "head")

    private let backbone: Backbone
    private let tuning: FineTuning
    /// Channels of its outputs.
    public let width: Int

    /// Declares the backbone; what is declared afterwards is the head.
    public init(_ options: BackboneOptions, _ tuning: FineTuning, _ jets: JetShape, in builder: ParameterBuilder) {
        builder.beginGroup(Self.group)
        backbone = Backbone(
            features: jets.features, identities: JetFeatures.identityNames.count, encoder: options.encoder,
            in: builder.root)
        builder.beginGroup(Self.headGroup)
        self.tuning = tuning
        width = options.encoder.width
    }

    /// The factors of both groups' learning rates.
    public func learningRateFactors(step: Int) -> [Double] { [tuning.factor(step: step), 1] }

    /// Encodes jets; while the backbone rests, nothing is kept for a gradient.
    public func callAsFunction(
        _ jets: Constituents, phase: Phase, on tape: Tape
    ) -> (output: Variable, offsets: Offsets) {
        guard tuning.isFrozen(in: phase) else { return backbone(jets, on: tape) }
        let encoded = backbone(jets, on: tape.evaluating)
        return (Variable(constant: encoded.output.value), encoded.offsets)
    }
}

import NN
import Tensors

/// The first version of masked particle modelling (Golling et al., arXiv:2401.13537), in the manner of BERT: a learned
/// token takes the place of masked constituents behind the embedding, the backbone sees all, and a perceptron looks at
/// the backbone's output at the place of each masked constituent; its last layer is that of the task.
///
/// Masked constituents of one jet differ only by their place in the order of pT, which a learned position tells.
package struct MaskedParticleModelV1: MaskedNetwork {
    /// What determines the parameters.
    package struct Shape: Sendable, Equatable {
        /// The width of the values that stand for a constituent at the input.
        package var features: Int
        /// The kinds of constituents.
        package var identities: Int
        /// The most constituents a jet can have, hence learned positions.
        package var maxConstituents: Int
        package var backbone: BackboneShape
        /// Whether the order in pT is told behind the backbone.
        package var hasHeadPosition: Bool
        /// The hidden width of the perceptron.
        package var headWidth: Int

        /// - Parameter headWidth: the encoder's width when nil.
        package init(
            features: Int, identities: Int = 8, maxConstituents: Int, backbone: BackboneShape,
            hasHeadPosition: Bool = true, headWidth: Int? = nil
        ) {
            self.features = features
            self.identities = identities
            self.maxConstituents = maxConstituents
            self.backbone = backbone
            self.hasHeadPosition = hasHeadPosition
            self.headWidth = headWidth ?? backbone.width
        }
    }

    package let backbone: Backbone
    package let width: Int
    private let maskToken: ParameterSlot
    private let headPosition: LearnedPosition?
    private let hidden: Linear
    private let activation = Activation.leakyReLU(slope: 0.1)

    package init(_ shape: Shape, in scope: ParameterScope) {
        backbone = shape.backbone.makeEncoder(
            features: shape.features, identities: shape.identities, maxConstituents: shape.maxConstituents, in: scope)
        maskToken = scope.parameter("mask_token", shape: [1, backbone.width], .normal(deviation: 0.02))
        let headScope = scope.scope("head")
        headPosition = shape.hasHeadPosition
            ? LearnedPosition(places: shape.maxConstituents, width: backbone.width, in: headScope) : nil
        hidden = Linear(inputs: backbone.width, outputs: shape.headWidth, in: headScope.scope("hidden"))
        width = shape.headWidth
    }

    package func callAsFunction(_ jets: MaskedConstituents, keys: TokenKeys? = nil, on tape: Tape) -> Variable {
        let embedded = backbone.embed(jets.all, on: tape)
        let maskRow = Int32(jets.mask.count)
        let index = jets.mask.enumerated().map { $1 ? maskRow : Int32($0) }
        let input = tape.gatherRows([embedded, maskToken.variable], index: index)
        let offsets = jets.all.offsets
        let encoded = backbone.encode(input, offsets: offsets, keys: keys, on: tape)
        var (rows, places): ([Int32], [Int32]) = ([], [])
        rows.reserveCapacity(jets.dropped.offsets.tokens)
        places.reserveCapacity(jets.dropped.offsets.tokens)
        for jet in 0..<offsets.jets {
            let shift = encoded.offsets[jet].lowerBound + backbone.registers - offsets[jet].lowerBound
            for token in offsets[jet] where jets.mask[token] {
                rows.append(Int32(token + shift))
                places.append(Int32(token - offsets[jet].lowerBound))
            }
        }
        var picked = tape.gatherRows([encoded.output], index: rows)
        if let headPosition { picked = headPosition(picked, places: places, on: tape) }
        return activation(hidden(picked, on: tape), on: tape)
    }
}

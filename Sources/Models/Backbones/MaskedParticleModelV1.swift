import NN
import Tensors

/// Network of version 1 of masked particle modelling (Golling et al., arXiv:2401.13537), similar to BERT: a learned
/// mask token replaces the embedding of dropped constituents, the backbone encodes the whole jet, and a perceptron maps
/// its output at each dropped constituent; the last layer of the perceptron belongs to the task.
///
/// Dropped constituents of one jet differ only by a learned position in the order of pT.
package struct MaskedParticleModelV1: MaskedNetwork {
    /// Hyperparameters.
    package struct Shape: Sendable, Equatable {
        /// Number of values that represent a constituent at the input.
        package var features: Int
        /// Number of identity classes.
        package var identities: Int
        /// Largest number of constituents in a jet, which is that of learned positions.
        package var maxConstituents: Int
        package var backbone: BackboneShape
        /// True if a learned position is added after the backbone.
        package var hasHeadPosition: Bool
        /// Hidden width of the perceptron.
        package var headWidth: Int

        /// - Parameter headWidth: nil for the width of the backbone.
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
        headPosition =
            shape.hasHeadPosition
            ? LearnedPosition(positions: shape.maxConstituents, width: backbone.width, in: headScope) : nil
        hidden = Linear(inputs: backbone.width, outputs: shape.headWidth, in: headScope.scope("hidden"))
        width = shape.headWidth
    }

    package func callAsFunction(_ jets: MaskedConstituents, keys: TokenKeys? = nil, on tape: Tape) -> Variable {
        let embedded = backbone.embed(jets.all, on: tape)
        let maskRow = Int32(jets.mask.count)
        let index = jets.mask.enumerated().map { $1 ? maskRow : Int32($0) }
        let input = tape.gatherRows([embedded, maskToken.variable], index: index)
        let offsets = jets.all.offsets
        let encoded = backbone.encode(input, of: jets.all, keys: keys, on: tape)
        var (rows, positions): ([Int32], [Int32]) = ([], [])
        rows.reserveCapacity(jets.dropped.offsets.tokens)
        positions.reserveCapacity(jets.dropped.offsets.tokens)
        for jet in 0..<offsets.jets {
            let shift = encoded.offsets[jet].lowerBound + backbone.registers - offsets[jet].lowerBound
            for token in offsets[jet] where jets.mask[token] {
                rows.append(Int32(token + shift))
                positions.append(Int32(token - offsets[jet].lowerBound))
            }
        }
        var picked = tape.gatherRows([encoded.output], index: rows)
        if let headPosition { picked = headPosition(picked, positions: positions, on: tape) }
        return activation(hidden(picked, on: tape), on: tape)
    }
}

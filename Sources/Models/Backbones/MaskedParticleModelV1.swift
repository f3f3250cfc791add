import NN
import Tensors

/// Network of version 1 of masked particle modelling (Golling et al., arXiv:2401.13537), similar to BERT: a learned
/// mask token replaces the embedding of dropped constituents, the backbone encodes the whole jet, and a perceptron maps
/// its output at each dropped constituent; the last layer of the perceptron belongs to the task.
///
/// Dropped constituents of one jet differ only by a learned position in the order of pT, or by mask tokens of their
/// own.
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
        /// Place of the order in pT; the backbone's own shape has the position of `backbone`.
        package var position: PositionPlace
        /// Hidden width of the perceptron; 0 for no hidden layer, so that the tasks map the backbone's outputs.
        package var headWidth: Int

        /// - Parameter headWidth: nil for the width of the backbone.
        package init(
            features: Int, identities: Int = 8, maxConstituents: Int, backbone: BackboneShape,
            position: PositionPlace = .head, headWidth: Int? = nil
        ) {
            self.features = features
            self.identities = identities
            self.maxConstituents = maxConstituents
            self.backbone = backbone
            self.position = position
            self.headWidth = headWidth ?? backbone.width
        }
    }

    package let backbone: Backbone
    package let width: Int
    /// One row, or one for each place among the dropped constituents of a jet.
    private let maskTokens: ParameterSlot
    private let hasOrderedTokens: Bool
    private let headPosition: LearnedPosition?
    private let hidden: Linear?
    private let activation = Activation.leakyReLU(slope: 0.1)

    package init(_ shape: Shape, in scope: ParameterScope) {
        backbone = shape.backbone.makeEncoder(
            features: shape.features, identities: shape.identities, maxConstituents: shape.maxConstituents, in: scope)
        hasOrderedTokens = shape.position == .masked
        maskTokens =
            hasOrderedTokens
            ? scope.parameter("null_tokens", shape: [shape.maxConstituents, backbone.width], .normal(deviation: 1e-3))
            : scope.parameter("mask_token", shape: [1, backbone.width], .normal(deviation: 0.02))
        let headScope = scope.scope("head")
        headPosition =
            shape.position == .head
            ? LearnedPosition(positions: shape.maxConstituents, width: backbone.width, in: headScope) : nil
        let hasHidden = shape.headWidth > 0
        hidden =
            hasHidden
            ? Linear(inputs: backbone.width, outputs: shape.headWidth, in: headScope.hidden.scope("hidden")) : nil
        width = hasHidden ? shape.headWidth : backbone.width
    }

    package func callAsFunction(_ jets: MaskedConstituents, keys: TokenKeys? = nil, on tape: Tape) -> Variable {
        let embedded = backbone.embed(jets.all, on: tape)
        let offsets = jets.all.offsets
        var index = (0..<jets.mask.count).map { Int32($0) }
        for jet in 0..<offsets.jets {
            var maskRow = Int32(jets.mask.count)
            for token in offsets[jet] where jets.mask[token] {
                index[token] = maskRow
                if hasOrderedTokens { maskRow += 1 }
            }
        }
        let input = tape.gatherRows([embedded, maskTokens.variable], index: index)
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
        return hidden.map { activation($0(picked, on: tape), on: tape) } ?? picked
    }
}

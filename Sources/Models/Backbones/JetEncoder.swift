import NN
import Tensors

/// A network that gives every constituent of a jet a representation: what is pre-trained to be used elsewhere.
package protocol JetEncoder {
    /// Channels of the output.
    var width: Int { get }
    /// Learned tokens that the output has in front of every jet.
    var registers: Int { get }

    /// The embedded constituents, `[tokens, width]`.
    func embed(_ jets: Constituents, on tape: Tape) -> Variable
    /// Encodes embedded constituents, some of which may have been replaced, to `[tokens + registers · jets, width]`, the
    /// registers first in each jet.
    ///
    /// - Parameter keys: the random numbers of dropout, one key for each token; nil outside of training.
    func encode(
        _ embedded: Variable, offsets: Offsets, keys: TokenKeys?, on tape: Tape
    ) -> (output: Variable, offsets: Offsets)
}

extension JetEncoder {
    /// Encodes jets.
    package func callAsFunction(
        _ jets: Constituents, keys: TokenKeys? = nil, on tape: Tape
    ) -> (output: Variable, offsets: Offsets) {
        encode(embed(jets, on: tape), offsets: jets.offsets, keys: keys, on: tape)
    }
}

/// What determines the parameters of a backbone.
package struct BackboneShape: Sendable, Equatable {
    /// The blocks that it is made of.
    package enum Blocks: Sendable, Equatable {
        /// Those of version 2.
        case transformer(TransformerShape)
        /// Those of version 1.
        case normformer(NormformerShape)
    }

    package var blocks: Blocks
    /// Whether the identity of a constituent is embedded beside its features.
    package var usesIdentity: Bool
    /// Whether the place in the order of pT is added to the embedded constituents.
    package var hasPosition: Bool

    package init(_ blocks: Blocks, usesIdentity: Bool = true, hasPosition: Bool = false) {
        self.blocks = blocks
        self.usesIdentity = usesIdentity
        self.hasPosition = hasPosition
    }

    /// Channels of the output.
    package var width: Int {
        switch blocks {
        case .transformer(let shape): shape.width
        case .normformer(let shape): shape.width
        }
    }

    /// The rate of dropout.
    package var dropout: Double {
        switch blocks {
        case .transformer: 0
        case .normformer(let shape): shape.dropout
        }
    }

    /// Declares the network.
    ///
    /// - Parameters:
    ///   - features: the width of the values that stand for a constituent.
    ///   - identities: the kinds of constituents.
    ///   - maxConstituents: the most constituents of a jet, hence learned positions.
    package func makeEncoder(
        features: Int, identities: Int, maxConstituents: Int, in scope: ParameterScope
    ) -> Backbone {
        Backbone(
            features: features, identities: usesIdentity ? identities : nil,
            places: hasPosition ? maxConstituents : nil, blocks: blocks, in: scope)
    }
}

import NN

/// Hyperparameters of a backbone.
package struct BackboneShape: Sendable, Equatable {
    /// Kind and shape of the blocks.
    package enum Blocks: Sendable, Equatable {
        /// The blocks of version 2 (arXiv:2409.12589).
        case transformer(TransformerShape)
        /// The blocks of version 1 (arXiv:2401.13537).
        case normformer(NormformerShape)
    }

    package var blocks: Blocks
    /// True if the identity of a constituent is embedded together with its features.
    package var usesIdentity: Bool
    /// True if a learned position in the order of pT is added to the embedded constituents.
    package var hasPosition: Bool
    /// True if a constituent attends only to the registers, to itself and to the constituents of higher pT.
    package var isCausal: Bool

    package init(
        _ blocks: Blocks, usesIdentity: Bool = true, hasPosition: Bool = false, isCausal: Bool = false
    ) {
        self.blocks = blocks
        self.usesIdentity = usesIdentity
        self.hasPosition = hasPosition
        self.isCausal = isCausal
    }

    /// Channels of the output.
    package var width: Int {
        switch blocks {
        case .transformer(let shape): shape.width
        case .normformer(let shape): shape.width
        }
    }

    /// Number of register tokens in front of every jet.
    package var registers: Int {
        switch blocks {
        case .transformer(let shape): shape.registers
        case .normformer: 0
        }
    }

    /// The bias of pairs of constituents, which needs their momenta; nil for none.
    package var pairs: PairShape? {
        switch blocks {
        case .transformer(let shape): shape.pairs
        case .normformer: nil
        }
    }

    /// Dropout rate.
    package var dropout: Double {
        switch blocks {
        case .transformer: 0
        case .normformer(let shape): shape.dropout
        }
    }

    /// Declares the network.
    ///
    /// - Parameters:
    ///   - features: number of values that represent a constituent.
    ///   - identities: number of identity classes.
    ///   - maxConstituents: largest number of constituents in a jet, which is that of learned positions.
    package func makeEncoder(
        features: Int, identities: Int, maxConstituents: Int, in scope: ParameterScope
    ) -> Backbone {
        Backbone(
            features: features, identities: usesIdentity ? identities : nil,
            positions: hasPosition ? maxConstituents : nil, blocks: blocks, isCausal: isCausal, in: scope)
    }
}

import NN
import System
import Tensors

/// Encoder of jets: embeds the constituents and passes them through a stack of blocks. It is pre-trained, and reused in
/// downstream tasks.
///
/// Its input values are continuous features, or the vectors of tokens.
package struct Backbone {
    private enum Stack {
        case transformer(TransformerEncoder)
        case normformer(NormformerEncoder)
    }

    private let continuous: Linear
    private let identity: ParameterSlot?
    private let position: LearnedPosition?
    private let stack: Stack
    private let isCausal: Bool
    /// Channels of the output.
    package let width: Int
    /// Number of register tokens that precede every jet in the output.
    package let registers: Int
    /// True if the network reads `Constituents.momenta`.
    package let needsMomenta: Bool

    /// - Parameters:
    ///   - identities: number of identity classes; nil if identities are not embedded.
    ///   - positions: number of learned positions; nil for none.
    ///   - isCausal: as in `BackboneShape`.
    package init(
        features: Int, identities: Int?, positions: Int? = nil, blocks: BackboneShape.Blocks, isCausal: Bool = false,
        in scope: ParameterScope
    ) {
        switch blocks {
        case .transformer(let shape): (width, registers) = (shape.width, shape.registers)
        case .normformer(let shape): (width, registers) = (shape.width, 0)
        }
        if case .transformer(let shape) = blocks { needsMomenta = shape.pairs != nil } else { needsMomenta = false }
        self.isCausal = isCausal
        let width = width
        continuous = Linear(inputs: features, outputs: width, in: scope.scope("embedding.continuous"))
        identity = identities.map {
            scope.parameter("embedding.identity.weight", shape: [$0, width], .normal(deviation: 1))
        }
        position = positions.map { LearnedPosition(positions: $0, width: width, in: scope.scope("embedding")) }
        switch blocks {
        case .transformer(let shape): stack = .transformer(TransformerEncoder(shape, in: scope.scope("encoder")))
        case .normformer(let shape): stack = .normformer(NormformerEncoder(shape, in: scope.scope("encoder")))
        }
    }

    /// Encodes jets to `[tokens + registers · jets, width]`, the registers first in each jet.
    ///
    /// - Parameter keys: random numbers of dropout, one key for each token; nil for no dropout.
    package func callAsFunction(
        _ jets: Constituents, keys: TokenKeys? = nil, on tape: Tape
    ) -> (output: Variable, offsets: Offsets) {
        encode(embed(jets, on: tape), of: jets, keys: keys, on: tape)
    }

    /// Embeds the constituents, `[tokens, width]`.
    package func embed(_ jets: Constituents, on tape: Tape) -> Variable {
        let values = continuous(Variable(constant: jets.values), on: tape)
        guard let identity else { return values }
        return tape.add(values, tape.embedding(identity.variable, index: jets.identities))
    }

    /// Encodes the embedded constituents of jets, some of which may have been replaced.
    package func encode(
        _ embedded: Variable, of jets: Constituents, keys: TokenKeys?, on tape: Tape
    ) -> (output: Variable, offsets: Offsets) {
        let packing = Packing(jets.offsets, isCausal: isCausal)
        let x = position?(embedded, offsets: jets.offsets, on: tape) ?? embedded
        switch stack {
        case .transformer(let encoder): return encoder(x, packing: packing, momenta: jets.momenta, on: tape)
        case .normformer(let encoder): return (encoder(x, packing: packing, keys: keys, on: tape), jets.offsets)
        }
    }

    /// The encoder of a causal backbone that encodes jets constituent by constituent.
    var sequenceEncoder: TransformerEncoder {
        guard isCausal, position == nil, case .transformer(let encoder) = stack else {
            unreachable("sequences need causal transformer blocks without learned positions")
        }
        return encoder
    }
}

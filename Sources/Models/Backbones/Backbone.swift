import NN
import Tensors

/// Embeds constituents and encodes them by a stack of blocks: the network that is pre-trained to be used elsewhere.
///
/// The values may be continuous features, or the vectors that stand for tokens.
package struct Backbone: JetEncoder {
    private enum Stack {
        case transformer(TransformerEncoder)
        case normformer(NormformerEncoder)
    }

    private let continuous: Linear
    private let identity: ParameterSlot?
    private let position: LearnedPosition?
    private let stack: Stack
    package let width: Int
    package let registers: Int

    /// - Parameters:
    ///   - identities: the kinds of constituents, which are embedded too; nil where they are not looked at.
    ///   - places: how many learned positions are added to the embedded constituents; nil for none.
    package init(
        features: Int, identities: Int?, places: Int? = nil, blocks: BackboneShape.Blocks, in scope: ParameterScope
    ) {
        switch blocks {
        case .transformer(let shape): (width, registers) = (shape.width, shape.registers)
        case .normformer(let shape): (width, registers) = (shape.width, 0)
        }
        let width = width
        continuous = Linear(inputs: features, outputs: width, in: scope.scope("embedding.continuous"))
        identity = identities.map {
            scope.parameter("embedding.identity.weight", shape: [$0, width], .normal(deviation: 1))
        }
        position = places.map { LearnedPosition(places: $0, width: width, in: scope.scope("embedding")) }
        switch blocks {
        case .transformer(let shape): stack = .transformer(TransformerEncoder(shape, in: scope.scope("encoder")))
        case .normformer(let shape): stack = .normformer(NormformerEncoder(shape, in: scope.scope("encoder")))
        }
    }

    package func embed(_ jets: Constituents, on tape: Tape) -> Variable {
        let values = continuous(Variable(constant: jets.values), on: tape)
        guard let identity else { return values }
        return tape.add(values, tape.embedding(identity.variable, index: jets.identities))
    }

    package func encode(
        _ embedded: Variable, offsets: Offsets, keys: TokenKeys?, on tape: Tape
    ) -> (output: Variable, offsets: Offsets) {
        let x = position?(embedded, offsets: offsets, on: tape) ?? embedded
        switch stack {
        case .transformer(let encoder): return encoder(x, offsets: offsets, on: tape)
        case .normformer(let encoder): return (encoder(x, offsets: offsets, keys: keys, on: tape), offsets)
        }
    }
}

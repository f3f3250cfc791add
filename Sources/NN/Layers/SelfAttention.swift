import System
import Tensors

/// Multi-head self-attention among the tokens of each jet (arXiv:1706.03762), with a fused map to queries, keys and
/// values and an output map of the concatenated heads.
package struct SelfAttention {
    private let qkv: Linear
    private let output: Linear
    private let heads: Int

    /// The fused map `[3 · width, width]` is initialised Xavier-uniform with a zero bias, the output map with PyTorch's
    /// default.
    package init(width: Int, heads: Int, in scope: ParameterScope) {
        invariant(width % heads == 0, "width \(width) is not divisible by \(heads) heads")
        qkv = Linear(
            inputs: width, outputs: 3 * width, weight: .xavier(inputs: width, outputs: 3 * width), bias: .constant(0),
            in: scope.scope("qkv"))
        output = Linear(inputs: width, outputs: width, in: scope.scope("output"))
        self.heads = heads
    }

    /// attention(x), from `[tokens, width]` to the same shape.
    package func callAsFunction(_ x: Variable, packing: Packing, on tape: Tape) -> Variable {
        output(attended(x, packing, tape), on: tape)
    }

    /// residual + scale ⊙ attention(x).
    package func callAsFunction(
        _ x: Variable, packing: Packing, addedTo residual: Variable, scale: ParameterSlot?, on tape: Tape
    ) -> Variable {
        output(attended(x, packing, tape), addedTo: residual, scale: scale, on: tape)
    }

    /// The same for one more token of each jet, `[jets, width]`, which attends to itself and to the tokens before it.
    package func callAsFunction(
        next x: Variable, after cache: AttentionCache, addedTo residual: Variable, scale: ParameterSlot?, on tape: Tape
    ) -> Variable {
        let query = cache.append(qkv(x, on: tape).value)
        let attended = tape.crossAttention(
            query, cache.keysAndValues, offsets: Offsets(counts: [Int](repeating: 1, count: query.rows)),
            context: cache.rows, heads: heads)
        return output(Variable(constant: attended), addedTo: residual, scale: scale, on: tape)
    }

    private func attended(_ x: Variable, _ packing: Packing, _ tape: Tape) -> Variable {
        tape.selfAttention(qkv(x, on: tape, output: tape.activationType), packing: packing, heads: heads)
    }
}

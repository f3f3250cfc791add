import NN
import System
import Tensors

/// Hyperparameters of a stack of transformer blocks.
package struct TransformerShape: Sendable, Equatable {
    /// Channels of every token.
    package var width: Int
    /// Number of blocks.
    package var layers: Int
    /// Number of attention heads, a divisor of the width.
    package var heads: Int
    /// Ratio of the hidden width of the feed-forward network to the width.
    package var feedForwardMultiplier: Int
    /// Number of register tokens, learned tokens in front of every jet (Darcet et al., arXiv:2309.16588).
    package var registers: Int
    /// Initial value of the residual scales (LayerScale, arXiv:2103.17239); nil for none.
    package var layerScale: Double?
    /// True if a layer norm follows the last block.
    package var finalNorm: Bool
    /// The bias of the attention scores of pairs of constituents; nil for none.
    package var pairs: PairShape?

    /// The encoder of version 2 (arXiv:2409.12589), with a final norm, which the authors use with the flow only.
    package static let version2 = TransformerShape(width: 512, layers: 8, heads: 8, registers: 8)

    /// Optional arguments default to version 2 (arXiv:2409.12589), except `registers`, which has 8 there, and
    /// `finalNorm`, which the authors use with the flow only.
    package init(
        width: Int, layers: Int, heads: Int, feedForwardMultiplier: Int = 2, registers: Int = 0,
        layerScale: Double? = 1e-3, finalNorm: Bool = true, pairs: PairShape? = nil
    ) {
        self.width = width
        self.layers = layers
        self.heads = heads
        self.feedForwardMultiplier = feedForwardMultiplier
        self.registers = registers
        self.layerScale = layerScale
        self.finalNorm = finalNorm
        self.pairs = pairs
    }
}

/// A stack of pre-norm transformer blocks over packed jets, with registers in front of each jet.
package struct TransformerEncoder {
    private let registers: ParameterSlot?
    private let pairs: PairBias?
    private let blocks: [TransformerBlock]
    private let finalNorm: LayerNorm?
    private let shape: TransformerShape

    package init(_ shape: TransformerShape, in scope: ParameterScope) {
        self.shape = shape
        registers =
            shape.registers == 0
            ? nil
            : scope.parameter("registers", shape: [shape.registers, shape.width], .normal(deviation: 1e-3))
        pairs = shape.pairs.map { PairBias($0, heads: shape.heads, in: scope.scope("pairs")) }
        blocks = (0..<shape.layers).map { layer in
            TransformerBlock(
                width: shape.width, heads: shape.heads, multiplier: shape.feedForwardMultiplier,
                layerScale: shape.layerScale.map { Float($0) }, in: scope.scope("layers.\(layer)"))
        }
        finalNorm = shape.finalNorm ? LayerNorm(width: shape.width, in: scope.scope("final_norm")) : nil
    }

    /// Encodes tokens `[tokens, width]` to `[tokens + registers · jets, width]`, the registers first in each jet.
    ///
    /// - Parameter momenta: `Constituents.momenta` of the tokens; required by a bias of pairs.
    package func callAsFunction(
        _ x: Variable, packing: Packing, momenta: Tensor? = nil, on tape: Tape
    ) -> (output: Variable, offsets: Offsets) {
        var (x, packing) = (x, packing)
        let bias = pairs.map { pairs in
            guard let momenta else { unreachable("a bias of pairs without momenta") }
            return pairs(momenta, offsets: packing.offsets, on: tape)
        }
        if let registers {
            let (count, offsets) = (shape.registers, packing.offsets)
            var index: [Int32] = []
            index.reserveCapacity(offsets.tokens + count * offsets.jets)
            for jet in 0..<offsets.jets {
                index.append(contentsOf: 0..<Int32(count))
                index.append(contentsOf: offsets[jet].lazy.map { Int32(count + $0) })
            }
            x = tape.gatherRows([registers.variable, x], index: index)
            packing = packing.prepending(count)
        }
        if let bias { packing = tape.biased(packing, by: bias, inFront: shape.registers) }
        for block in blocks { x = block(x, packing: packing, on: tape) }
        return (finalNorm?(x, on: tape) ?? x, packing.offsets)
    }

    /// Encodes the registers of new jets with causal attention, `[jets, width]` for the last register, and one cache
    /// for each block.
    func begin(jets: Int, on tape: Tape) -> (output: Variable, caches: [AttentionCache]) {
        guard let registers, pairs == nil else { unreachable("sequences need registers and no bias of pairs") }
        let caches = blocks.map { _ in AttentionCache(jets: jets, width: shape.width) }
        var output = Variable(constant: Tensor(shape: [0, shape.width]))
        for register in 0..<Int32(shape.registers) {
            let rows = tape.embedding(registers.variable, index: [Int32](repeating: register, count: jets))
            output = next(rows, after: caches, on: tape)
        }
        return (output, caches)
    }

    /// Encodes one more token of each jet, `[jets, width]`, with causal attention.
    func next(_ x: Variable, after caches: [AttentionCache], on tape: Tape) -> Variable {
        let x = zip(blocks, caches).reduce(x) { $1.0(next: $0, after: $1.1, on: tape) }
        return finalNorm?(x, on: tape) ?? x
    }
}

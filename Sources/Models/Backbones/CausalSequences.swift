import NN
import System
import Tensors

/// Jets that a causal backbone encodes constituent by constituent; the outputs are those of the whole jets.
package final class CausalSequences {
    /// Output for the last token of each jet, `[jets, width]`: the last register before the first constituent.
    package private(set) var output: Variable
    private let backbone: Backbone
    private let caches: [AttentionCache]
    private let tape: Tape

    /// - Parameters:
    ///   - backbone: of causal transformer blocks with registers.
    ///   - tape: one that does not record.
    package init(_ backbone: Backbone, jets: Int, on tape: Tape) {
        (self.backbone, self.tape) = (backbone, tape)
        (output, caches) = backbone.sequenceEncoder.begin(jets: jets, on: tape)
    }

    /// Appends one constituent to each jet.
    package func append(_ constituents: Constituents) {
        invariant(
            constituents.offsets.tokens == output.value.rows,
            "\(constituents.offsets.tokens) constituents for "
                + "\(output.value.rows) jets")
        output = backbone.sequenceEncoder.next(backbone.embed(constituents, on: tape), after: caches, on: tape)
    }

    /// Keeps some of the jets, in the order given; `output` remains until the next constituent.
    package func keep(_ jets: [Int]) {
        for cache in caches { cache.keep(jets) }
        output = tape.gatherRows([output], index: jets.map { Int32($0) })
    }
}

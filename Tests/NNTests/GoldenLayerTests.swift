import Foundation
import Golden
import NN
import Tensors
import Testing

/// Layers with attention to a context.
@Suite("Golden layers")
struct GoldenLayerTests {
    private func expect(
        _ actual: Tensor?, _ key: String, in file: GoldenFile, precision: Precision
    ) throws {
        let error = try precision.error(#require(actual).array, file.floats(key))
        #expect(error <= precision.goldenTolerance, "\(key) is off by \(error)")
    }

    /// The rows of the reference's fused weight `[3 · width, width]` that correspond to a parameter.
    private func fused(_ name: String) -> GoldenPlace? {
        for (ours, theirs) in [("weight", "attn_in_w"), ("bias", "attn_in_b")] {
            if name == "query.\(ours)" { return GoldenPlace(theirs, after: 0, of: 3) }
            if name == "key_value.\(ours)" { return GoldenPlace(theirs, after: 1, of: 3) }
            if name == "output.\(ours)" { return GoldenPlace("attn_out." + ours) }
        }
        return nil
    }

    private func run(
        _ file: GoldenFile, _ store: ParameterStore, precision: Precision, places: (String) -> GoldenPlace,
        _ layer: (Variable, Offsets, Variable, Offsets, Tape) throws -> Variable
    ) throws {
        try store.load(file, places: places)
        let x = try Variable(leaf: file.tensor("in.x"))
        let context = try Variable(leaf: file.tensor("in.context"))
        let tape = Tape(precision: precision)
        let y = try layer(x, file.offsets(), context, file.offsets("in.context_offsets"), tape)
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file, precision: precision)
        try expect(x.gradient, "grad.in.x", in: file, precision: precision)
        try expect(context.gradient, "grad.in.context", in: file, precision: precision)
        #expect(try store.gradientErrors(file, places: places, precision: precision) == [])
    }

    @Test(arguments: Precision.tested) func crossAttention(precision: Precision) throws {
        let file = try GoldenFile("cross_attention")
        let builder = ParameterBuilder()
        let layer = try CrossAttention(
            width: file.shape("in.x")[1], heads: file.integer("heads"), in: builder.root)
        try run(file, builder.build(seed: 0), precision: precision, places: { fused($0)! }) {
            layer($0, offsets: $1, context: $2, contextOffsets: $3, on: $4)
        }
    }

    @Test(arguments: Precision.tested) func modulatedDecoderBlock(precision: Precision) throws {
        let file = try GoldenFile("adaln_decoder_block")
        #expect(try file.number("eps") == 1e-6, "the norms of the block have this bound")
        let condition = try Variable(leaf: file.tensor("in.condition"))
        let builder = ParameterBuilder()
        let block = try ModulatedDecoderBlock(
            width: file.shape("in.x")[1], heads: file.integer("heads"),
            multiplier: file.shape("param.lin2.weight")[1] / file.shape("in.x")[1],
            condition: condition.value.columns, in: builder.root)
        let names = [
            "self_attention.qkv": "self_qkv", "self_attention.output": "self_out",
            "cross_attention.query": "cross_q", "cross_attention.key_value": "cross_kv",
            "cross_attention.output": "cross_out", "feedforward.input": "lin1", "feedforward.output": "lin2",
        ]
        try run(
            file, builder.build(seed: 0), precision: precision,
            places: { name in
                GoldenPlace(names.reduce(name) { $0.replacingOccurrences(of: $1.key, with: $1.value) })
            }
        ) {
            block(
                $0, packing: Packing($1), context: $2, contextOffsets: $3, condition: $4.silu(condition), on: $4)
        }
        try expect(condition.gradient, "grad.in.condition", in: file, precision: precision)
    }
}

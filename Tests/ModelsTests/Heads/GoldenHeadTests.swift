import Foundation
import Golden
import Models
import NN
import Tensors
import Testing

@Suite("Golden heads")
struct GoldenHeadTests {
    private func expect(
        _ actual: [Float], _ key: String, in file: GoldenFile, precision: Precision = .single
    ) throws {
        let error = try precision.error(actual, file.floats(key))
        #expect(error <= precision.goldenTolerance, "\(key) is off by \(error)")
    }

    @Test(arguments: Precision.tested, [false, true])
    func classAttentionPooling(precision: Precision, hasNorm: Bool) throws {
        let file = try GoldenFile("class_attention_pooling\(hasNorm ? "_prenorm" : "")")
        let x = try Variable(leaf: file.tensor("in.x"))
        let builder = ParameterBuilder()
        let width = try file.shape("param.linear_embed.weight")[0]
        let head = try ClassAttentionPooling(
            ClassAttentionPooling.Shape(
                inputs: x.value.columns, outputs: file.shape("param.linear_out.weight")[0], width: width,
                layers: file.integer("layers"), heads: file.integer("heads"),
                feedForwardMultiplier: file.integer("feedforward_multiplier"), hasNorm: hasNorm),
            in: builder.root)
        let store = builder.build(seed: 0)
        let names = [
            "embedding.": "linear_embed.", "attention.output.": "attn.fn.attn_out.",
            "attention_norm.": "attn.norm.", "feedforward_norm.": "ff.norm.",
            "feedforward.input.": "ff.fn.lin1.", "feedforward.output.": "ff.fn.lin2.",
        ]
        func place(_ name: String) -> GoldenPlace {
            if name == "token" { return GoldenPlace("global_token") }
            if name.hasPrefix("output.") {
                return GoldenPlace("linear_" + name.replacingOccurrences(of: "put", with: ""))
            }
            for (part, start) in [("query.", 0), ("key_value.", 1)] {
                for (ours, theirs) in [("weight", "attn_in_w"), ("bias", "attn_in_b")] {
                    guard let range = name.range(of: "attention.\(part)\(ours)") else { continue }
                    return GoldenPlace(name[..<range.lowerBound] + "attn.fn.\(theirs)", after: start, of: 3)
                }
            }
            return GoldenPlace(names.reduce(name) { $0.replacingOccurrences(of: $1.key, with: $1.value) })
        }
        try store.load(file, places: place)
        let tape = Tape(precision: precision)
        let y = try head(x, offsets: file.offsets(), on: tape)
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value.array, "out.y", in: file, precision: precision)
        try expect(#require(x.gradient).array, "grad.in.x", in: file, precision: precision)
        #expect(try store.gradientErrors(file, places: place, precision: precision) == [])
    }

    /// The loss is a focal loss with the constants that the metadata of the file describe.
    @Test(arguments: Precision.tested) func vertexingHead(precision: Precision) throws {
        let file = try GoldenFile("vertexing_head")
        let x = try Variable(leaf: file.tensor("in.x"))
        let offsets = try file.offsets()
        let target = try file.floats("in.target").map { $0 == 1 }
        let builder = ParameterBuilder()
        let widths = try file.shape("param.f.2.weight")
        let head = VertexingHead(
            VertexingHead.Shape(inputs: x.value.columns, width: widths[1], layers: 1, distances: widths[0]),
            in: builder.root)
        let store = builder.build(seed: 0)
        func place(_ name: String) -> GoldenPlace {
            GoldenPlace(
                name.replacingOccurrences(of: "f.layers.0", with: "f.0").replacingOccurrences(
                    of: "f.layers.1", with: "f.2"))
        }
        try store.load(file, places: place)
        #expect(try offsets.mapPairs { [$0, $1] }.flatMap { $0 } == file.integers("out.pairs"))
        let tape = Tape(precision: precision)
        let logits = head(x, offsets: offsets, on: tape)
        try expect(logits.value.array, "out.logits", in: file, precision: precision)
        let count = Float(target.count)
        let loss = tape.focalLoss(logits, target: target, gamma: 3, positiveWeight: 0.778, scale: 1 / count)
        tape.backward()
        try expect([Float(loss) / count], "out.loss", in: file, precision: precision)
        try expect(#require(x.gradient).array, "grad.in.x", in: file, precision: precision)
        #expect(try store.gradientErrors(file, places: place, precision: precision) == [])
    }

    /// The name in the files of the authors' perceptron, whose blocks are a linear map (0), SiLU (1) and a norm (2).
    private func block(_ name: some StringProtocol, hidden: Int) -> String {
        let parts = name.split(separator: ".")  // layers.2.weight, norms.0.bias
        let number = Int(parts[1])!
        let block = number == 0 ? "input_block" : number < hidden ? "hidden_blocks.\(number - 1)" : "output_block"
        return "\(block).layers.\(parts[0] == "norms" ? 2 : 0).\(parts[2])"
    }

    @Test(arguments: Precision.tested) func vertexingHeadWithNorms(precision: Precision) throws {
        let file = try GoldenFile("vertexing_head_norm")
        let x = try Variable(leaf: file.tensor("in.x"))
        let offsets = try file.offsets()
        let target = try file.floats("in.target").map { $0 == 1 }
        let builder = ParameterBuilder()
        let blocks = try file.integer("blocks")
        let head = try VertexingHead(
            VertexingHead.Shape(
                inputs: x.value.columns, width: file.integer("hidden"), layers: blocks,
                distances: file.integer("distances"), form: MLP.Form(.silu, hasNorm: true)),
            in: builder.root)
        let store = builder.build(seed: 0)
        func place(_ name: String) -> GoldenPlace {
            guard name.hasPrefix("f.") else { return GoldenPlace("dist_head." + name.dropFirst(2)) }
            return GoldenPlace("vertex_head." + block(name.dropFirst(2), hidden: blocks))
        }
        try store.load(file, places: place)
        #expect(try offsets.mapPairs { [$0, $1] }.flatMap { $0 } == file.integers("out.pairs"))
        let tape = Tape(precision: precision)
        let logits = head(x, offsets: offsets, on: tape)
        try expect(logits.value.array, "out.logits", in: file, precision: precision)
        let count = Float(target.count)
        let loss = try tape.focalLoss(
            logits, target: target, gamma: Float(file.number("gamma")),
            positiveWeight: Float(file.number("positive_weight")), scale: 1 / count)
        tape.backward()
        try expect([Float(loss) / count], "out.loss", in: file, precision: precision)
        try expect(#require(x.gradient).array, "grad.in.x", in: file, precision: precision)
        #expect(try store.gradientErrors(file, places: place, precision: precision) == [])
    }

    @Test(arguments: Precision.tested) func trackOriginHead(precision: Precision) throws {
        let file = try GoldenFile("track_origin_head")
        let x = try Variable(leaf: file.tensor("in.x"))
        let (target, weights) = try (file.indices("in.target"), file.tensor("in.class_weights"))
        let builder = ParameterBuilder()
        let blocks = try file.integer("blocks")
        let hidden = try repeatElement(file.integer("hidden"), count: blocks)
        let head = try MLP(
            widths: [x.value.columns] + hidden + [file.integer("classes")], form: MLP.Form(.silu, hasNorm: true),
            in: builder.root)
        let store = builder.build(seed: 0)
        func place(_ name: String) -> GoldenPlace { GoldenPlace("mlp." + block(name, hidden: blocks)) }
        try store.load(file, places: place)
        let tape = Tape(precision: precision)
        let logits = head(x, on: tape)
        try expect(logits.value.array, "out.logits", in: file, precision: precision)
        let total = target.reduce(0) { $0 + weights.array[Int($1)] }
        let loss = try tape.crossEntropy(
            logits, target: target, smoothing: Float(file.number("label_smoothing")), classWeights: weights,
            scale: 1 / total)
        tape.backward()
        try expect([Float(loss) / total], "out.loss", in: file, precision: precision)
        try expect(#require(x.gradient).array, "grad.in.x", in: file, precision: precision)
        #expect(try store.gradientErrors(file, places: place, precision: precision) == [])
    }
}

import Golden
import Tensors
import Testing

@Suite("Golden operations")
struct GoldenOperationTests {
    private func expect(
        _ actual: Tensor?, _ key: String, in file: GoldenFile, precision: Precision = .single,
        location: SourceLocation = #_sourceLocation
    ) throws {
        let actual = try #require(actual, "\(key) was not computed", sourceLocation: location)
        let error = try precision.error(actual.array, file.floats(key))
        #expect(error <= precision.goldenTolerance, "\(key) is off by \(error)", sourceLocation: location)
    }

    @Test(arguments: Precision.tested) func linear(precision: Precision) throws {
        let file = try GoldenFile("linear")
        let x = try Variable(leaf: file.tensor("in.x"))
        let weight = try Variable(leaf: file.tensor("param.weight"))
        let bias = try Variable(leaf: file.tensor("param.bias"))
        let tape = Tape(precision: precision)
        let y = tape.linear(x, weight: weight, bias: bias)
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file, precision: precision)
        try expect(x.gradient, "grad.in.x", in: file, precision: precision)
        try expect(weight.gradient, "grad.param.weight", in: file, precision: precision)
        try expect(bias.gradient, "grad.param.bias", in: file, precision: precision)
    }

    @Test func layerNorm() throws {
        let file = try GoldenFile("layer_norm")
        let x = try Variable(leaf: file.tensor("in.x"))
        let weight = try Variable(leaf: file.tensor("param.weight"))
        let bias = try Variable(leaf: file.tensor("param.bias"))
        let tape = Tape()
        let y = try tape.layerNorm(x, weight: weight, bias: bias, epsilon: Float(file.number("eps")))
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file)
        try expect(x.gradient, "grad.in.x", in: file)
        try expect(weight.gradient, "grad.param.weight", in: file)
        try expect(bias.gradient, "grad.param.bias", in: file)
    }

    @Test func swiglu() throws {
        let file = try GoldenFile("swiglu")
        let x = try Variable(leaf: file.tensor("in.x"))
        let tape = Tape()
        let y = tape.swiglu(x)
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file)
        try expect(x.gradient, "grad.in.x", in: file)
    }

    @Test(arguments: Precision.tested) func selfAttention(precision: Precision) throws {
        try selfAttention("self_attention", isCausal: false, precision)
    }

    @Test(arguments: Precision.tested) func causalAttention(precision: Precision) throws {
        try selfAttention("causal_attention", isCausal: true, precision)
        try selfAttention("causal_attention", isCausal: true, tiledPairs: 1, precision)
    }

    /// Sets of 1500 tokens, in tiles and whole.
    @Test(arguments: Precision.tested) func tiledAttention(precision: Precision) throws {
        try selfAttention("tiled_attention_long", isCausal: false, precision)
        try selfAttention("tiled_attention_long", isCausal: false, tiledPairs: .max, precision)
    }

    private func selfAttention(
        _ name: String, isCausal: Bool, tiledPairs: Int? = nil, _ precision: Precision
    ) throws {
        let file = try GoldenFile(name)
        let x = try Variable(leaf: file.tensor("in.x"))
        let names = ["attn_in_w", "attn_in_b", "attn_out.weight", "attn_out.bias"]
        let parameters = try names.map { try Variable(leaf: file.tensor("param.\($0)")) }
        let tape = Tape(precision: precision)
        let projected = tape.linear(x, weight: parameters[0], bias: parameters[1], output: tape.activationType)
        let attended = try tape.selfAttention(
            projected, packing: Packing(file.offsets(), isCausal: isCausal, tiledPairs: tiledPairs),
            heads: file.integer("heads"))
        let y = tape.linear(attended, weight: parameters[2], bias: parameters[3])
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file, precision: precision)
        try expect(x.gradient, "grad.in.x", in: file, precision: precision)
        for (name, parameter) in zip(names, parameters) {
            try expect(parameter.gradient, "grad.param.\(name)", in: file, precision: precision)
        }
    }

    private func crossEntropy(_ name: String) throws {
        let file = try GoldenFile(name)
        let target = try file.indices("in.target")
        let weights = file.names.contains("in.class_weights") ? try file.tensor("in.class_weights") : nil
        let count =
            weights.map { weights in target.reduce(Float(0)) { $0 + weights.array[Int($1)] } }
            ?? Float(target.count)
        let logits = try Variable(leaf: file.tensor("in.logits"))
        let tape = Tape()
        let loss = try tape.crossEntropy(
            logits, target: target, smoothing: Float(file.number("label_smoothing")), classWeights: weights,
            scale: 1 / count)
        try expect(Tensor([Float(loss) / count], shape: [1]), "out.loss", in: file)
        try expect(logits.gradient, "grad.in.logits", in: file)
        let again = try Tape(recording: false).crossEntropy(
            Variable(leaf: file.tensor("in.logits")), target: target,
            smoothing: Float(file.number("label_smoothing")), classWeights: weights, scale: 0)
        #expect(abs(again - loss) <= 1e-6 * abs(loss), "evaluation gives another loss than training")
    }

    @Test func crossEntropyPlain() throws { try crossEntropy("cross_entropy") }
    @Test func crossEntropySmoothed() throws { try crossEntropy("cross_entropy_smoothed") }
    @Test func crossEntropyWeighted() throws { try crossEntropy("cross_entropy_weighted") }

    private func elementLoss(
        _ name: String, _ loss: (Tape, Variable, Tensor, Float) -> Double
    ) throws {
        let file = try GoldenFile(name)
        let prediction = try Variable(leaf: file.tensor("in.prediction"))
        let count = Float(prediction.value.count)
        let value = try loss(Tape(), prediction, file.tensor("in.target"), 1 / count)
        try expect(Tensor([Float(value) / count], shape: [1]), "out.loss", in: file)
        try expect(prediction.gradient, "grad.in.prediction", in: file)
    }

    @Test func l1Loss() throws { try elementLoss("l1_loss") { $0.l1Loss($1, target: $2, scale: $3) } }
    @Test func mseLoss() throws { try elementLoss("mse_loss") { $0.mseLoss($1, target: $2, scale: $3) } }

    private func activation(_ name: String, _ operation: (Tape, Variable) -> Variable) throws {
        let file = try GoldenFile(name)
        let x = try Variable(leaf: file.tensor("in.x"))
        let tape = Tape()
        let y = operation(tape, x)
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file)
        try expect(x.gradient, "grad.in.x", in: file)
    }

    @Test func leakyReLU() throws { try activation("leaky_relu_0_1") { $0.leakyReLU($1, slope: 0.1) } }
    @Test func silu() throws { try activation("silu") { $0.silu($1) } }
    @Test func gelu() throws { try activation("gelu") { $0.gelu($1) } }

    /// Codes, vectors and commitment loss, and the gradients of the loss and of the vectors.
    private func vectorQuantiser(_ name: String) throws {
        let file = try GoldenFile(name)
        let rate = try Float(file.number("affine_lr"))
        let names = ["codebook.weight", "affine_transform.scale", "affine_transform.bias"]
            .filter { file.names.contains("param.\($0)") }
        for prefix in ["grad.commitment.", "grad.straight_through."] {
            let latents = try Variable(leaf: file.tensor("in.z"))
            let parameters = try names.enumerated().map { place, name in
                let tensor = try file.tensor("param.\(name)")
                return Variable(leaf: place == 0 ? tensor : tensor.reshaped([tensor.count]))
            }
            let tape = Tape()
            let codebook =
                parameters.count == 1
                ? parameters[0]
                : tape.affineCodes(parameters[0], scale: parameters[1], bias: parameters[2], rate: rate)
            let codes = NearestRows(codebook.value).indices(of: latents.value)
            #expect(try codes == file.indices("out.codes"))
            let vectors = try tape.straightThrough(
                latents, codebook: codebook, codes: codes, synchronisation: Float(file.number("sync_nu")))
            try expect(vectors.value, "out.z_q", in: file)
            let tokens = Float(latents.value.rows)
            let isCommitment = prefix == "grad.commitment."
            let loss = try tape.commitmentLoss(
                latents, codebook: codebook, codes: codes, beta: Float(file.number("beta")),
                scale: isCommitment ? 1 / tokens : 0)
            try expect(Tensor([Float(loss) / tokens], shape: [1]), "out.loss", in: file)
            if !isCommitment { try tape.backward(from: vectors, seed: file.tensor("seed.z_q")) }
            tape.backward()
            try expect(latents.gradient, prefix + "z", in: file)
            for (name, parameter) in zip(names, parameters) {
                let gradient = parameter.gradient ?? Tensor(repeating: 0, shape: parameter.shape)
                try expect(gradient, prefix + name, in: file)
            }
        }
    }

    @Test func vectorQuantiser() throws { try vectorQuantiser("vector_quantiser") }
    @Test func vectorQuantiserPlain() throws { try vectorQuantiser("vector_quantiser_plain") }
}

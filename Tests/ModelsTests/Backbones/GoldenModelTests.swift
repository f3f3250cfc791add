import Foundation
import Golden
import Models
import NN
import Tensors
import Testing

@Suite("Golden models")
struct GoldenModelTests {
    private func expect(
        _ actual: Tensor, _ key: String, in file: GoldenFile, precision: Precision = .single
    ) throws {
        let error = try precision.error(actual.array, file.floats(key))
        #expect(error <= precision.goldenTolerance, "\(key) is off by \(error)")
    }

    @Test(arguments: Precision.tested) func encoderBlock(precision: Precision) throws {
        let file = try GoldenFile("encoder_block")
        let x = try Variable(leaf: file.tensor("in.x"))
        let builder = ParameterBuilder()
        let block = try TransformerBlock(
            width: x.value.columns, heads: file.integer("heads"),
            multiplier: file.integer("feedforward_multiplier"), layerScale: 1, in: builder.root)
        let store = builder.build(seed: 0)
        try store.load(file)
        let tape = Tape(precision: precision)
        let y = try block(x, packing: Packing(file.offsets()), on: tape)
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file, precision: precision)
        try expect(#require(x.gradient), "grad.in.x", in: file, precision: precision)
        #expect(try store.gradientErrors(file, precision: precision) == [])
    }

    @Test(arguments: Precision.tested) func encoderWithRegisters(precision: Precision) throws {
        let file = try GoldenFile("encoder_with_registers")
        let x = try Variable(leaf: file.tensor("in.x"))
        let builder = ParameterBuilder()
        let shape = try TransformerShape(
            width: x.value.columns, layers: file.integer("layers"), heads: file.integer("heads"),
            registers: file.integer("registers"))
        let encoder = TransformerEncoder(shape, in: builder.root)
        let store = builder.build(seed: 0)
        try store.load(file)
        let tape = Tape(precision: precision)
        let y = try encoder(x, packing: Packing(file.offsets()), on: tape)
        try tape.backward(from: y.output, seed: file.tensor("seed.y"))
        #expect(try y.offsets == file.offsets("out.offsets"))
        try expect(y.output.value, "out.y", in: file, precision: precision)
        try expect(#require(x.gradient), "grad.in.x", in: file, precision: precision)
        #expect(try store.gradientErrors(file, precision: precision) == [])
    }

    @Test(arguments: Precision.tested) func normformerBlock(precision: Precision) throws {
        let file = try GoldenFile("normformer_block")
        let x = try Variable(leaf: file.tensor("in.x"))
        let builder = ParameterBuilder()
        let block = try NormformerBlock(
            width: x.value.columns, heads: file.integer("heads"), hidden: file.integer("hidden"),
            dropout: Dropout(rate: 0.1, place: 0), in: builder.root)
        let store = builder.build(seed: 0)
        try store.load(file, naming: referenceNameV1)
        let tape = Tape(precision: precision)
        let y = try block(x, packing: Packing(file.offsets()), on: tape)
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file, precision: precision)
        try expect(#require(x.gradient), "grad.in.x", in: file, precision: precision)
        #expect(try store.gradientErrors(file, naming: referenceNameV1, precision: precision) == [])
    }

    @Test(arguments: Precision.tested) func mpmV1(precision: Precision) throws {
        let file = try GoldenFile("mpm_v1")
        let values = try file.tensor("in.csts")
        let jets = try Constituents(
            values: values, identities: [Int32](repeating: 0, count: values.rows), offsets: file.offsets())
        let (logitShape, positions) = try (file.shape("out.logits"), file.shape("param.position"))
        let encoder = try NormformerShape(
            width: file.integer("width"), layers: file.integer("layers"), heads: file.integer("heads"),
            hidden: file.integer("hidden"))
        let shape = try MaskedParticleModelV1.Shape(
            features: values.columns, maxConstituents: positions[0],
            backbone: BackboneShape(.normformer(encoder), usesIdentity: false),
            headWidth: file.shape("param.head1.weight")[0])
        let builder = ParameterBuilder()
        let model = MaskedParticleModelV1(shape, in: builder.root)
        let task = Linear(inputs: model.width, outputs: logitShape[1], in: builder.root.scope("task"))
        let store = builder.build(seed: 0)
        try store.load(file, naming: referenceNameV1)
        let masked = MaskedConstituents(jets, mask: try file.integers("in.masked").map { $0 != 0 })
        let tokens = masked.droppedTokens.map { Int($0) }
        let target = try file.indices("in.target")

        let tape = Tape(precision: precision)
        let logits = task(model(masked, on: tape), on: tape)
        let expected = try file.tensor("out.logits").picking(tokens)
        #expect(precision.error(logits.value.array, expected.array) <= precision.goldenTolerance)
        let loss = tape.crossEntropy(logits, target: tokens.map { target[$0] }, scale: 1 / Float(tokens.count))
        tape.backward()
        try expect(Tensor([Float(loss) / Float(tokens.count)], shape: [1]), "out.loss", in: file, precision: precision)
        #expect(try store.gradientErrors(file, naming: referenceNameV1, precision: precision) == [])
    }

    @Test(arguments: Precision.tested) func vectorQuantiser(precision: Precision) throws {
        let file = try GoldenFile("vector_quantiser")
        func naming(_ name: String) -> String {
            name == "codes"
                ? "codebook.weight" : name.replacingOccurrences(of: "affine", with: "affine_transform")
        }
        let codes = try file.shape("param.codebook.weight")
        for prefix in ["grad.commitment.", "grad.straight_through."] {
            let latents = try Variable(leaf: file.tensor("in.z"))
            let builder = ParameterBuilder()
            let quantiser = try VectorQuantiser(
                .init(
                    codes: codes[0], dimension: codes[1], beta: file.number("beta"),
                    synchronisation: file.number("sync_nu"), affineRate: file.number("affine_lr")),
                in: builder.root)
            let store = builder.build(seed: 0)
            try store.load(file, naming: naming)
            let tape = Tape(precision: precision)
            let isCommitment = prefix == "grad.commitment."
            let tokens = latents.value.rows
            let output = quantiser(latents, commitmentScale: isCommitment ? 1 / Float(tokens) : 0, on: tape)
            if !isCommitment { try output.vectors.add(gradient: file.tensor("seed.z_q")) }
            tape.backward()
            #expect(try output.codes == file.indices("out.codes"))
            #expect(try quantiser.nearestCodes(latents.value) == file.indices("out.codes"))
            try expect(output.vectors.value, "out.z_q", in: file, precision: precision)
            try expect(
                Tensor([Float(output.commitment) / Float(tokens)], shape: [1]), "out.loss", in: file,
                precision: precision)
            try expect(#require(latents.gradient), prefix + "z", in: file, precision: precision)
            #expect(try store.gradientErrors(file, prefix: prefix, naming: naming, precision: precision) == [])
        }
    }

    @Test(arguments: Precision.tested) func weightedPoolingHead(precision: Precision) throws {
        let file = try GoldenFile("weighted_pooling_head")
        let x = try Variable(leaf: file.tensor("in.x"))
        let builder = ParameterBuilder()
        let head = try WeightedPoolingHead(
            width: x.value.columns, classes: file.shape("out.y")[1], in: builder.root)
        let store = builder.build(seed: 0)
        try store.load(file)
        let tape = Tape(precision: precision)
        let y = try head(x, offsets: file.offsets(), on: tape)
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file, precision: precision)
        try expect(#require(x.gradient), "grad.in.x", in: file, precision: precision)
        #expect(try store.gradientErrors(file, precision: precision) == [])
    }
}

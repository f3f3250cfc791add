import Golden
import Models
import NN
import Tensors
import Testing

@Suite("Golden models")
struct GoldenModelTests {
    private func expect(_ actual: Tensor, _ key: String, in file: GoldenFile) throws {
        let error = try relativeError(actual.array, file.floats(key))
        #expect(error <= goldenTolerance, "\(key) is off by \(error)")
    }

    @Test func encoderBlock() throws {
        let file = try GoldenFile("encoder_block")
        let x = try Variable(leaf: file.tensor("in.x"))
        let builder = ParameterBuilder()
        let block = try TransformerBlock(
            width: x.value.columns, heads: file.integer("heads"),
            multiplier: file.integer("feedforward_multiplier"), layerScale: 1, in: builder.root)
        let store = builder.build(seed: 0)
        try store.load(file)
        let tape = Tape()
        let y = try block(x, offsets: file.offsets(), on: tape)
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        try expect(y.value, "out.y", in: file)
        try expect(#require(x.gradient), "grad.in.x", in: file)
        #expect(try store.gradientErrors(file) == [])
    }

    @Test func encoderWithRegisters() throws {
        let file = try GoldenFile("encoder_with_registers")
        let x = try Variable(leaf: file.tensor("in.x"))
        let builder = ParameterBuilder()
        let shape = try TransformerShape(
            width: x.value.columns, layers: file.integer("layers"), heads: file.integer("heads"),
            registers: file.integer("registers"))
        let encoder = TransformerEncoder(shape, in: builder.root)
        let store = builder.build(seed: 0)
        try store.load(file)
        let tape = Tape()
        let y = try encoder(x, offsets: file.offsets(), on: tape)
        try tape.backward(from: y.output, seed: file.tensor("seed.y"))
        #expect(try y.offsets == file.offsets("out.offsets"))
        try expect(y.output.value, "out.y", in: file)
        try expect(#require(x.gradient), "grad.in.x", in: file)
        #expect(try store.gradientErrors(file) == [])
    }
}

import Foundation
import NN
import Testing

@Suite struct InitializationTests {
    private func values(
        _ initialization: Initialization, count: Int = 40_000, name: String = "weight", seed: UInt64 = 3,
        beside others: [String] = []
    ) -> [Float] {
        let builder = ParameterBuilder()
        for other in others { _ = builder.root.parameter(other, shape: [100], .normal(deviation: 1)) }
        _ = builder.root.parameter(name, shape: [count], initialization)
        return builder.build(seed: seed)[name]!.variable.value.array
    }

    private func moments(_ values: [Float]) -> (mean: Double, deviation: Double, kurtosis: Double) {
        let n = Double(values.count)
        let mean = values.reduce(0) { $0 + Double($1) } / n
        let variance = values.reduce(0) { $0 + pow(Double($1) - mean, 2) } / n
        let fourth = values.reduce(0) { $0 + pow(Double($1) - mean, 4) } / n
        return (mean, variance.squareRoot(), fourth / (variance * variance))
    }

    @Test func constant() {
        #expect(values(.constant(0.125)) == [Float](repeating: 0.125, count: 40_000))
    }

    /// Tolerance of five standard errors: mean ±σ/√n, deviation ±σ/√2n, kurtosis ±√(24/n).
    @Test(arguments: [1, 1e-3] as [Float]) func normal(deviation: Float) {
        let found = moments(values(.normal(deviation: deviation)))
        #expect(abs(found.mean) < 5 * Double(deviation) / 200)
        #expect(abs(found.deviation / Double(deviation) - 1) < 5 / 283)
        #expect(abs(found.kurtosis - 3) < 0.13)
    }

    private func expectUniform(_ initialization: Initialization, bound: Double) {
        let values = values(initialization)
        let found = moments(values)
        #expect(abs(found.mean) < 5 * bound / 3.0.squareRoot() / 200)
        #expect(abs(found.deviation / (bound / 3.0.squareRoot()) - 1) < 0.02)
        #expect(abs(found.kurtosis - 1.8) < 0.05)
        let (low, high) = (Double(values.min()!), Double(values.max()!))
        #expect(low >= -bound * 1.000001 && high <= bound * 1.000001)
        #expect(low < -0.999 * bound && high > 0.999 * bound)
    }

    @Test func uniform() {
        expectUniform(.uniform(bound: 0.5), bound: 0.5)
        expectUniform(.linear(inputs: 100), bound: 0.1)
        expectUniform(.xavier(inputs: 100, outputs: 300), bound: (6.0 / 400).squareRoot())
    }

    /// Adding a parameter does not change the values of others.
    @Test func numbersDependOnSeedAndNameAlone() {
        for initialization in [Initialization.normal(deviation: 1), .uniform(bound: 1)] {
            let alone = values(initialization)
            #expect(values(initialization, beside: ["before", "and.another"]) == alone)
            #expect(values(initialization, seed: 4) != alone)
            #expect(values(initialization, name: "weight2") != alone)
            #expect(Array(values(initialization, count: 50_000)[..<40_000]) == alone)
        }
    }

    /// Sequences are distinct: in each part of a long parameter, and for each name and seed.
    @Test func numbersDoNotRepeat() {
        let long = values(.uniform(bound: 1), count: 65_536)
        // With 2²⁴ possible values and 65 536 numbers, about 130 coincide by chance.
        #expect(Set(long).count > 65_000)
        let heads = ["a", "b", "layers.1.weight", "layers.2.weight"].flatMap { name in
            [1, 2, 3].map { values(.normal(deviation: 1), count: 10, name: name, seed: $0) }
        }
        #expect(Set(heads).count == heads.count)
        #expect(Set(heads.joined()).count > 115)
    }

    /// Initial values of the layers: PyTorch's defaults, and Xavier with zero bias in attention.
    @Test func layersStartAsInPyTorch() throws {
        let builder = ParameterBuilder()
        _ = TransformerBlock(width: 64, heads: 4, multiplier: 2, layerScale: 1e-3, in: builder.root)
        let store = builder.build(seed: 5)
        func largest(_ name: String) throws -> Double {
            Double(try #require(store[name]).variable.value.array.map(abs).max()!)
        }
        let bounds: [(String, Double)] = [
            ("attention.qkv.weight", 0.1530931),  // √(6 / (64 + 192))
            ("attention.output.weight", 0.125), ("feedforward.input.weight", 0.125),  // 1/√64
            ("feedforward.output.weight", 0.0883884),  // 1/√128
        ]
        for (name, bound) in bounds {
            let found = try largest(name)
            #expect(found <= bound * 1.000001 && found > 0.99 * bound, "\(name) reaches \(found)")
        }
        let (qkvBias, outputBias) = (try largest("attention.qkv.bias"), try largest("attention.output.bias"))
        #expect(qkvBias == 0)
        #expect(outputBias > 0.08 && outputBias <= 0.125)
        for norm in ["attention_norm", "feedforward_norm"] {
            #expect(store["\(norm).weight"]?.variable.value.array == [Float](repeating: 1, count: 64))
            #expect(store["\(norm).bias"]?.variable.value.array == [Float](repeating: 0, count: 64))
        }
        for scale in ["attention_scale", "feedforward_scale"] {
            #expect(store[scale]?.variable.value.array == [Float](repeating: 1e-3, count: 64))
        }
        #expect(store.parameters.count == 4 + 4 + 2 + 4)
    }
}

import NN
import Tensors
import Testing

@Suite struct ParameterStoreTests {
    /// Parameters of sizes that need different amounts of padding.
    private func odd(seed: UInt64 = 1) -> ParameterStore {
        let builder = ParameterBuilder()
        let scope = builder.root.scope("a").scope("layers.0")
        _ = builder.root.parameter("first", shape: [1], .normal(deviation: 1))
        _ = scope.parameter("weight", shape: [3, 5], .linear(inputs: 5))
        _ = scope.parameter("bias", shape: [16], .uniform(bound: 0.5))
        _ = scope.parameter("scale", shape: [17], .constant(0.25))
        _ = builder.root.parameter("last", shape: [33], .xavier(inputs: 3, outputs: 5))
        return builder.build(seed: seed)
    }

    /// Indices of the elements that belong to no parameter.
    private func padding(_ store: ParameterStore) -> [Int] {
        let held = Set(store.parameters.flatMap { Array($0.range) })
        return (0..<store.values.count).filter { !held.contains($0) }
    }

    @Test func namesAndShapes() {
        let store = odd()
        #expect(
            store.parameters.map(\.name) == [
                "first", "a.layers.0.weight", "a.layers.0.bias", "a.layers.0.scale", "last",
            ])
        #expect(store.parameters.map(\.shape) == [[1], [3, 5], [16], [17], [33]])
        #expect(store.count == 1 + 15 + 16 + 17 + 33)
        #expect(store["a.layers.0.bias"]?.shape == [16])
        #expect(store["bias"] == nil)
        for (place, parameter) in store.parameters.enumerated() {
            #expect(store.index(of: parameter.variable) == place)
            #expect(parameter.variable.value.shape == parameter.shape)
            #expect(parameter.variable.requiresGradient && parameter.variable.gradient == nil)
        }
        #expect(store.index(of: Variable(leaf: Tensor(shape: [1]))) == nil)
        #expect(store.index(of: odd().parameters[0].variable) == nil)
    }

    @Test func anEmptyModelHasNoParameters() {
        let store = ParameterBuilder().build(seed: 0)
        #expect(store.count == 0 && store.values.count == 0)
        AdamW(store).step(learningRate: 1)
    }

    @Test func namesAreUnique() async {
        await #expect(processExitsWith: .failure) {
            let builder = ParameterBuilder()
            _ = builder.root.scope("a").parameter("b", shape: [1], .constant(0))
            _ = builder.root.parameter("a.b", shape: [2], .constant(0))
        }
        await #expect(processExitsWith: .success) {
            let builder = ParameterBuilder()
            _ = builder.root.scope("a").parameter("b", shape: [1], .constant(0))
            _ = builder.root.parameter("b", shape: [2], .constant(0))
        }
    }

    @Test func parametersAreAligned() {
        let store = odd()
        var end = 0
        for parameter in store.parameters {
            #expect(parameter.range.lowerBound % 16 == 0)
            #expect(parameter.range.lowerBound >= end && parameter.range.lowerBound < end + 16)
            #expect(parameter.range.count == parameter.shape.reduce(1, *))
            #expect(UInt(bitPattern: parameter.variable.value.pointer) % 64 == 0)
            #expect(parameter.variable.value.pointer == store.values.pointer + parameter.range.lowerBound)
            end = parameter.range.upperBound
        }
        #expect(store.values.count == end && store.gradients.count == end)
        #expect(padding(store).count == 15 + 1 + 15)
    }

    /// Padding stays zero through updates of the optimizer.
    @Test func paddingStaysZero() {
        let store = odd()
        let optimizer = AdamW(store, AdamW.Options(weightDecay: 0.1))
        let before = store.values.array
        for step in 1...5 {
            store.resetGradients()
            for parameter in store.parameters {
                parameter.variable.add(gradient: Tensor(repeating: Float(step), shape: parameter.shape))
            }
            optimizer.step(learningRate: 0.1, gradientScale: 0.5)
        }
        for place in padding(store) {
            #expect(store.values.buffer[place] == 0 && store.gradients.buffer[place] == 0)
            #expect(optimizer.firstMoment.buffer[place] == 0 && optimizer.secondMoment.buffer[place] == 0)
        }
        let held = store.parameters.flatMap { Array($0.range) }
        #expect(held.allSatisfy { store.values.buffer[$0] != before[$0] })
    }

    /// Gradients of variables are views of the flat buffer.
    @Test func gradientsStandInTheFlatBuffer() throws {
        let store = odd()
        let last = try #require(store["last"])
        last.variable.add(gradient: Tensor(repeating: 2, shape: [33]))
        last.variable.add(gradient: Tensor(repeating: 3, shape: [33]))
        #expect(Array(store.gradients.buffer[last.range]) == [Float](repeating: 5, count: 33))
        #expect(store.gradients.sumOfSquares == 33 * 25)
        store.resetGradients()
        #expect(last.variable.gradient == nil)
        last.variable.add(gradient: Tensor(repeating: 1, shape: [33]))
        #expect(Array(store.gradients.buffer[last.range]) == [Float](repeating: 1, count: 33))
    }

    /// A parameter that no operation reached in this step does not keep the gradient of an earlier one.
    @Test func unusedGradientsAreZeroed() throws {
        let store = odd()
        for parameter in store.parameters {
            parameter.variable.add(gradient: Tensor(repeating: 7, shape: parameter.shape))
        }
        store.resetGradients()
        let used = try #require(store["a.layers.0.bias"])
        used.variable.add(gradient: Tensor(repeating: 2, shape: [16]))
        store.zeroUnusedGradients()
        #expect(store.gradients.sumOfSquares == 16 * 4)
        #expect(Array(store.gradients.buffer[used.range]) == [Float](repeating: 2, count: 16))
    }
}

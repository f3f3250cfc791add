import Foundation
import NN
import Testing

/// A store of one parameter with these values.
func store(_ values: [Float]) -> ParameterStore {
    let builder = ParameterBuilder()
    _ = builder.root.parameter("p", shape: [values.count], .constant(0))
    let store = builder.build(seed: 0)
    _ = store.values.buffer.update(fromContentsOf: values)
    return store
}

/// Properties of all optimizers that update elements independently of each other.
@Suite struct OptimizerTests {
    enum Rule: CaseIterable, Sendable {
        case adamW, lion

        func optimizer(_ store: ParameterStore, elements: ElementRanges? = nil) -> any Optimizer {
            switch self {
            case .adamW: AdamW(store, elements: elements)
            case .lion: Lion(store, elements: elements)
            }
        }
    }

    /// Optimizers of two parts of the buffers are equivalent to one of the whole.
    @Test(arguments: Rule.allCases) func partsAreUpdatedAlone(rule: Rule) {
        let (whole, parts) = (store((0..<40).map(Float.init)), store((0..<40).map(Float.init)))
        for store in [whole, parts] { for i in 0..<40 { store.gradients.buffer[i] = Float(sin(Double(i))) } }
        rule.optimizer(whole).step(learningRate: 0.1)
        let first = rule.optimizer(parts, elements: ElementRanges([0..<17, 30..<33]))
        first.step(learningRate: 0.1)
        for i in 0..<40 where !(i < 17 || (30..<33).contains(i)) { #expect(parts.values.array[i] == Float(i)) }
        #expect(first.state.entries.allSatisfy { $0.values.count == 20 } && first.state.updates == [1])
        rule.optimizer(parts, elements: ElementRanges([17..<30, 33..<40])).step(learningRate: 0.1)
        #expect(parts.values.array == whole.values.array)
    }

    /// NaN in a gradient propagates to its parameter only.
    @Test(arguments: Rule.allCases) func nanIsNotLost(rule: Rule) {
        let store = store([1, 1, 1])
        _ = store.gradients.buffer.update(fromContentsOf: [0, .nan, 0])
        rule.optimizer(store).step(learningRate: 0.1)
        #expect(store.values.array.map(\.isNaN) == [false, true, false])
    }
}

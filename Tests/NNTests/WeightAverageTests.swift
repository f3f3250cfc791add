import Foundation
import NN
import Testing

@Suite struct WeightAverageTests {
    /// Two groups of 20 and 9 elements.
    private func store() -> ParameterStore {
        let builder = ParameterBuilder()
        builder.beginGroup("backbone")
        _ = builder.root.parameter("a", shape: [4, 5], .normal(deviation: 1))
        builder.beginGroup("head")
        _ = builder.root.parameter("b", shape: [9], .normal(deviation: 1))
        return builder.build(seed: 3)
    }

    private func setGradients(_ store: ParameterStore, _ step: Int) {
        for i in 0..<store.gradients.count { store.gradients.buffer[i] = Float(sin(Double(5 * step + i))) }
    }

    /// The formula in double precision, for a group that is frozen at first too: its own updates count.
    @Test func theFormula() {
        let (store, decay) = (store(), 0.6)
        let optimizer = AdamW(store)
        optimizer.state.addAverage(decay: decay, of: store)
        var expected = store.values.array.map(Double.init)
        var updates = [0, 0]
        for step in 0..<30 {
            setGradients(store, step)
            let factors = [step < 7 ? 0.0 : 1, 1]
            optimizer.step(learningRate: 0.05, factors: factors)
            for (index, group) in store.groups.enumerated() where factors[index] > 0 {
                updates[index] += 1
                let share = 1 - min(decay, Double(1 + updates[index]) / Double(10 + updates[index]))
                for i in group.elements { expected[i] += share * (Double(store.values.array[i]) - expected[i]) }
            }
            for (found, wanted) in zip(optimizer.state.average!.values.array, expected) {
                #expect(abs(Double(found) - wanted) < 1e-5, "in step \(step)")
            }
        }
        #expect(updates == [23, 30])
        // After the warm-up of the decay, the average is no longer the weights of the last steps.
        #expect(zip(expected, store.values.array).contains { abs($0 - Double($1)) > 1e-3 })
    }

    /// The optimizer's own state and updates are those without an average.
    @Test func theAverageChangesNothing() {
        let (with, without) = (store(), store())
        let optimizers = [AdamW(with), AdamW(without)]
        optimizers[0].state.addAverage(decay: 0.9, of: with)
        for step in 0..<5 {
            for (store, optimizer) in zip([with, without], optimizers) {
                setGradients(store, step)
                optimizer.step(learningRate: 0.1)
            }
        }
        #expect(with.values.array == without.values.array)
        #expect(optimizers[0].secondMoment.array == optimizers[1].secondMoment.array)
        #expect(optimizers[0].state.entries.map(\.name) == ["first_moment", "second_moment", "average"])
    }

    /// Averages of two parts of the buffers are that of the whole.
    @Test func partsAreAveragedAlone() {
        let (whole, parts) = (store(), store())
        let all = Lion(whole)
        all.state.addAverage(decay: 0.9, of: whole)
        let some = [ElementRanges([0..<17, 32..<36]), ElementRanges([17..<32, 36..<41])].map {
            let optimizer = Lion(parts, elements: $0)
            optimizer.state.addAverage(decay: 0.9, of: parts)
            return optimizer
        }
        for step in 0..<3 {
            for store in [whole, parts] { setGradients(store, step) }
            for optimizer in [all] + some { optimizer.step(learningRate: 0.1) }
        }
        for optimizer in some {
            for part in optimizer.state.elements.parts {
                let found = optimizer.state.average!.values.array[part.compact]
                #expect(Array(found) == Array(all.state.average!.values.array[part.elements]))
            }
        }
    }
}

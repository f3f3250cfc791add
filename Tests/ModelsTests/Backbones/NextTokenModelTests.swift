import Models
import NN
import Tensors
import Testing

@Suite struct NextTokenModelTests {
    private func model(registers: Int = 2, layers: Int = 2) -> (model: NextTokenModel, store: ParameterStore) {
        let encoder = TransformerShape(
            width: 16, layers: layers, heads: 2, registers: registers, layerScale: registers == 1 ? nil : 0.5)
        let builder = ParameterBuilder()
        let model = NextTokenModel(
            features: 7, tokens: 5,
            shape: BackboneShape(.transformer(encoder), usesIdentity: false, isCausal: true), in: builder.root)
        let store = builder.build(seed: 1)
        store.randomize()
        return (model, store)
    }

    private func logits(_ model: NextTokenModel, _ jets: Constituents) -> Tensor {
        model(jets, on: Tape(recording: false)).value
    }

    /// Row k of a jet depends on the constituents before k alone, and on the last of them.
    @Test(arguments: [1, 2]) func aLaterConstituentNeverChangesAnEarlierPrediction(registers: Int) {
        let (model, _) = model(registers: registers)
        let jets = randomJets([6, 0, 4])
        let before = logits(model, jets)
        #expect(before.shape == [13, 6])
        // Rows of the first jet are 0...6, of the second 7, of the third 8...12.
        for (token, row) in [(0, 0), (3, 3), (5, 5), (6, 8), (9, 11)] {
            var changed = jets
            changed.values = Tensor(jets.values.array, shape: jets.values.shape)
            for feature in 0..<7 { changed.values.buffer[7 * token + feature] += 1 }
            let after = logits(model, changed)
            let own = token < 6 ? 0..<7 : 8..<13
            for other in 0..<13 {
                let difference = after.rows(other..<other + 1).distance(to: before.rows(other..<other + 1))
                #expect((difference > 1e-3) == (own.contains(other) && other > row), "token \(token), row \(other)")
            }
        }
    }

    /// Constituent by constituent, with jets that end on the way.
    @Test(arguments: [1, 3]) func sequencesHaveTheOutputsOfWholeJets(registers: Int) {
        let (model, _) = model(registers: registers)
        // More tokens than the caches have room for at first.
        let counts = [5, 0, 43, 70]
        let jets = randomJets(counts)
        let expected = logits(model, jets)
        let tape = Tape(recording: false)
        let sequences = CausalSequences(model.backbone, jets: 4, on: tape)
        var open = Array(0..<4)
        for place in 0...70 {
            let found = model.logits(sequences.output, on: tape).value
            for (position, jet) in open.enumerated() {
                let row = jets.offsets[jet].lowerBound + jet + place
                #expect(found.rows(position..<position + 1).distance(to: expected.rows(row..<row + 1)) < 1e-5)
            }
            let left = open.indices.filter { counts[open[$0]] > place }
            sequences.keep(left)
            open = left.map { open[$0] }
            if open.isEmpty { break }
            let rows = open.map { jets.offsets[$0].lowerBound + place }
            sequences.append(jets.picking(rows, counts: rows.map { _ in 1 }))
        }
        #expect(open.isEmpty)
    }

    /// The gradient is the derivative of the loss along itself and along random directions.
    @Test func directionalDifferences() {
        let (model, store) = model()
        let jets = randomJets([5, 0, 3])
        let targets: [Int32] = [1, 0, 4, 2, 2, 5, 5, 3, 1, 0, 5]
        func loss(_ tape: Tape) -> Double { tape.crossEntropy(model(jets, on: tape), target: targets, scale: 1) }
        store.resetGradients()
        let tape = Tape()
        _ = loss(tape)
        tape.backward()
        store.zeroUnusedGradients()
        let (gradient, start) = (Array(store.gradients.buffer), Array(store.values.buffer))
        let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(norm > 0.1)
        for seed in 0..<4 {
            let direction =
                seed == 0
                ? gradient.map { $0 / Float(norm) }
                : randomTensor([gradient.count], seed: UInt64(seed)).array
                    .map { $0 / Float(gradient.count).squareRoot() }
            let expected = zip(gradient, direction).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            func shifted(_ step: Float) -> Double {
                for i in start.indices { store.values.buffer[i] = start[i] + step * direction[i] }
                return loss(Tape(recording: false))
            }
            let errors = [Float(1e-2), 3e-3, 1e-3].map { step in
                abs((shifted(step) - shifted(-step)) / (2 * Double(step)) - expected)
            }
            #expect(errors.min()! < 3e-3 * norm, "direction \(seed): \(errors), \(expected)")
        }
    }
}

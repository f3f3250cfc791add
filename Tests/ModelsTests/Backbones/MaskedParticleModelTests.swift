import Models
import NN
import Tensors
import Testing

@Suite struct MaskedParticleModelTests {
    private func model(
        encoder: TransformerShape = TransformerShape(width: 32, layers: 2, heads: 4, registers: 2),
        decoder: TransformerShape = TransformerShape(width: 16, layers: 1, heads: 2, finalNorm: false)
    ) -> (model: MaskedParticleModel, store: ParameterStore) {
        let builder = ParameterBuilder()
        let model = MaskedParticleModel(
            MaskedParticleModel.Shape(
                features: 7, identities: 8, maxConstituents: 20, encoder: encoder, decoder: decoder),
            in: builder.root)
        let store = builder.build(seed: 1)
        store.randomize()
        return (model, store)
    }

    private func decode(
        _ model: MaskedParticleModel, _ jets: Constituents, dropping isDropped: [Bool]
    ) -> Tensor {
        model(MaskedConstituents(jets, mask: isDropped), on: Tape(recording: false)).value
    }

    /// A decoder without layers returns its inputs: the k-th dropped constituent of each jet has the k-th null token.
    @Test func nullTokensGoInOrder() throws {
        let (model, store) = model(
            decoder: TransformerShape(width: 16, layers: 0, heads: 2, finalNorm: false))
        let jets = randomJets([5, 0, 1, 4, 1])
        let isDropped = [true, false, true, true, false, true, false, true, false, true, false]
        let null = try #require(store["decoder.null_tokens"]).variable.value
        #expect(null.shape == [20, 16])
        // Three of the first jet, none of the empty one, one of the third, two of the fourth, none of the last.
        #expect(decode(model, jets, dropping: isDropped).array == null.picking([0, 1, 2, 0, 0, 1]).array)
    }

    /// All null tokens can be used: a jet of the largest size with all constituents dropped.
    @Test func aWholeJetMayBeDropped() throws {
        let (model, store) = model(
            decoder: TransformerShape(width: 16, layers: 0, heads: 2, finalNorm: false))
        let null = try #require(store["decoder.null_tokens"]).variable.value
        let flags = [Bool](repeating: true, count: 20)
        #expect(decode(model, randomJets([20]), dropping: flags).array == null.array)
    }

    @Test func moreDroppedThanNullTokensIsABug() async {
        await #expect(processExitsWith: .failure) {
            let builder = ParameterBuilder()
            let shape = TransformerShape(width: 4, layers: 0, heads: 1)
            let model = MaskedParticleModel(
                MaskedParticleModel.Shape(
                    features: 7, identities: 8, maxConstituents: 3, encoder: shape, decoder: shape),
                in: builder.root)
            _ = builder.build(seed: 1)
            let masked = MaskedConstituents(randomJets([4]), mask: [true, true, true, true])
            _ = model(masked, on: Tape(recording: false))
        }
    }

    /// The output depends neither on the positions of the survivors nor on the dropped constituents.
    @Test func onlyTheSetOfSurvivorsCounts() {
        let (model, _) = model()
        let jets = randomJets([8, 5])
        let isDropped = [
            true, false, false, true, false, false, true, false, false, true, false, false, true,
        ]
        let plain = decode(model, jets, dropping: isDropped)
        #expect(plain.shape == [5, 16])

        // The survivors of each jet in reverse order, the dropped ones at their positions with other values.
        let survivors = isDropped.indices.filter { !isDropped[$0] }
        var rows = Array(0..<13)
        for (from, to) in zip(survivors[..<5].reversed() + survivors[5...].reversed(), survivors) {
            rows[to] = from
        }
        let turned = jets.picking(rows, counts: [8, 5])
        for row in 0..<13 where isDropped[row] { for f in 0..<7 { turned.values.buffer[row * 7 + f] += 3 } }
        #expect(decode(model, turned, dropping: isDropped).distance(to: plain) < 1e-4)

        // The dropped first, then the survivors: other positions in the jet.
        let dropped = isDropped.indices.filter { isDropped[$0] }
        let sorted = Array(dropped[..<3] + survivors[..<5] + dropped[3...] + survivors[5...])
        let flags = [3, 5, 2, 3].enumerated().flatMap { [Bool](repeating: $0 % 2 == 0, count: $1) }
        let moved = jets.picking(sorted, counts: [8, 5])
        #expect(decode(model, moved, dropping: flags).distance(to: plain) < 1e-4)

        // Another survivor changes the output.
        jets.values.buffer[survivors[0] * 7] += 3
        #expect(decode(model, jets, dropping: isDropped).distance(to: plain) > 1e-2)
    }

    /// A jet has the same output alone and packed with others, among them jets without constituents or survivors.
    @Test(arguments: [0, 2]) func jetsDoNotSeeEachOther(registers: Int) {
        let (model, _) = model(
            encoder: TransformerShape(width: 32, layers: 2, heads: 4, registers: registers))
        let counts = [6, 0, 1, 2, 1]
        let jets = randomJets(counts)
        let isDropped = [false, true, true, false, false, true, true, true, true, false]
        let together = decode(model, jets, dropping: isDropped)
        #expect(together.array.allSatisfy { $0.isFinite })
        var (first, row) = (0, 0)
        for count in counts {
            let tokens = Array(first..<first + count)
            let alone = decode(
                model, jets.picking(tokens, counts: [count]), dropping: tokens.map { isDropped[$0] })
            #expect(alone.distance(to: together.rows(row..<row + alone.rows)) < 1e-4)
            first += count
            row += alone.rows
        }
        #expect(row == together.rows)
    }

    /// The null tokens of a jet differ, hence the outputs; identities are embedded.
    @Test func identitiesAndNullTokensMatter() {
        let (model, _) = model()
        var jets = randomJets([4])
        let isDropped = [false, false, true, true]
        let plain = decode(model, jets, dropping: isDropped)
        #expect(plain.rows(0..<1).distance(to: plain.rows(1..<2)) > 1e-2)
        jets.identities[0] = (jets.identities[0] + 1) % 8
        #expect(decode(model, jets, dropping: isDropped).distance(to: plain) > 1e-3)
    }

    /// The outputs have a gradient for every parameter.
    @Test func everyParameterHasAGradient() {
        let (model, store) = model()
        let tape = Tape()
        let isDropped = [true, false, false, true, false, true]
        let y = model(MaskedConstituents(randomJets([4, 2]), mask: isDropped), on: tape)
        tape.backward(from: y, seed: randomTensor(y.shape, seed: 6))
        for parameter in store.parameters {
            #expect(parameter.variable.gradient.map { $0.sumOfSquares > 0 } == true, "\(parameter.name)")
        }
    }
}

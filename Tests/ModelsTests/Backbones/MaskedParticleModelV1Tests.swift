import Models
import NN
import Tensors
import Testing

@Suite struct MaskedParticleModelV1Tests {
    private func model(_ position: PositionPlace) -> (model: MaskedParticleModelV1, store: ParameterStore) {
        let builder = ParameterBuilder()
        let model = MaskedParticleModelV1(
            MaskedParticleModelV1.Shape(
                features: 3, maxConstituents: 12,
                backbone: BackboneShape(
                    .normformer(NormformerShape(width: 32, layers: 2, heads: 4, hidden: 24)), usesIdentity: false,
                    hasPosition: position == .backbone),
                position: position, headWidth: 5),
            in: builder.root)
        let store = builder.build(seed: 1)
        store.randomize()
        return (model, store)
    }

    private func recover(
        _ model: MaskedParticleModelV1, _ jets: Constituents, _ isMasked: [Bool]
    ) -> Tensor {
        model(MaskedConstituents(jets, mask: isMasked), on: Tape(recording: false)).value
    }

    private let isMasked = [true, false, false, true, false, false, true, false, true]
    private var jets: Constituents { randomJets([6, 3], features: 3) }

    /// The output does not depend on masked constituents, but on the others.
    @Test(arguments: PositionPlace.allCases) func maskedValuesAreHidden(position: PositionPlace) {
        let (model, _) = model(position)
        let plain = recover(model, jets, isMasked)
        #expect(plain.shape == [4, 5])
        let other = jets
        for row in 0..<9 where isMasked[row] { for f in 0..<3 { other.values.buffer[row * 3 + f] += 3 } }
        #expect(recover(model, other, isMasked).array == plain.array)
        other.values.buffer[1 * 3] += 3
        #expect(recover(model, other, isMasked).distance(to: plain) > 1e-3)
    }

    /// Without positions, the outputs at the masked constituents of a jet are equal.
    @Test(arguments: PositionPlace.allCases) func placesTellMaskedConstituentsApart(position: PositionPlace) {
        let y = recover(model(position).model, jets, isMasked)
        let difference = y.rows(0..<1).distance(to: y.rows(1..<2))
        #expect(position == .none ? difference < 1e-5 : difference > 1e-2)
    }

    /// Mask tokens in the order of the masked constituents: their places among the others do not matter.
    @Test func onlyTheOrderOfTheMaskedMatters() {
        let (model, _) = model(.masked)
        let rows = [1, 2, 0, 4, 3, 5, 6, 7, 8]
        let plain = recover(model, jets, isMasked)
        let moved = recover(model, jets.picking(rows, counts: [6, 3]), rows.map { isMasked[$0] })
        #expect(moved.distance(to: plain) < 1e-4)
        let head = self.model(.head).model
        let withPositions = recover(head, jets.picking(rows, counts: [6, 3]), rows.map { isMasked[$0] })
        #expect(withPositions.distance(to: recover(head, jets, isMasked)) > 1e-2)
    }

    /// The backbone depends on the order only with positions at its input.
    @Test(arguments: PositionPlace.allCases) func theBackboneSeesAnOrder(position: PositionPlace) {
        let (model, store) = model(position)
        let rows = [5, 1, 0, 3, 2, 4, 8, 6, 7]
        let plain = model.backbone(jets, on: Tape(recording: false))
        let turned = model.backbone(jets.picking(rows, counts: [6, 3]), on: Tape(recording: false))
        #expect(plain.offsets == jets.offsets && plain.output.shape == [9, 32])
        let distance = turned.output.value.distance(to: plain.output.value.picking(rows))
        #expect(position == .backbone ? distance > 1e-2 : distance < 1e-4)
        #expect((store["embedding.position"] != nil) == (position == .backbone))
        #expect((store["head.position"] != nil) == (position == .head))
    }

    /// Blocks of version 2 with mask tokens: registers come first, and identities of masked constituents are masked
    /// too.
    @Test func transformerBlocksWithRegisters() {
        let builder = ParameterBuilder()
        let shape = TransformerShape(width: 16, layers: 2, heads: 2, registers: 3, layerScale: 0.5)
        let model = MaskedParticleModelV1(
            MaskedParticleModelV1.Shape(
                features: 3, maxConstituents: 12, backbone: BackboneShape(.transformer(shape)), headWidth: 6),
            in: builder.root)
        builder.build(seed: 1).randomize()
        let plain = recover(model, jets, isMasked)
        #expect(plain.shape == [4, 6])
        var other = jets
        for row in 0..<9 where isMasked[row] { other.identities[row] = (other.identities[row] + 1) % 8 }
        #expect(recover(model, other, isMasked).array == plain.array)
        other.identities[1] = (other.identities[1] + 1) % 8
        #expect(recover(model, other, isMasked).distance(to: plain) > 1e-3)
        #expect(recover(model, jets, [Bool](repeating: false, count: 9)).shape == [0, 6])
    }

    @Test(arguments: PositionPlace.allCases) func everyParameterHasAGradient(position: PositionPlace) {
        let (model, store) = model(position)
        let tape = Tape()
        let keys = TokenKeys(seed: 1, epoch: 0, jets: [4, 5], offsets: jets.offsets)
        let y = model(MaskedConstituents(jets, mask: isMasked), keys: keys, on: tape)
        tape.backward(from: y, seed: randomTensor(y.shape, seed: 6))
        for parameter in store.parameters {
            #expect(parameter.variable.gradient.map { $0.sumOfSquares > 0 } == true, "\(parameter.name)")
        }
    }

    @Test func moreConstituentsThanPositionsIsABug() async {
        await #expect(processExitsWith: .failure) {
            let builder = ParameterBuilder()
            let model = MaskedParticleModelV1(
                MaskedParticleModelV1.Shape(
                    features: 3, maxConstituents: 3,
                    backbone: BackboneShape(.normformer(NormformerShape(width: 4, layers: 1, heads: 1, hidden: 4)))),
                in: builder.root)
            _ = builder.build(seed: 1)
            let jets = MaskedConstituents(randomJets([4], features: 3), mask: [true, true, true, true])
            _ = model(jets, on: Tape(recording: false))
        }
    }
}

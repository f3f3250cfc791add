import Foundation
import Models
import NN
import Tensors
import Testing

@Suite struct SetFlowTests {
    private func model(registers: Int = 2, width: Int = 16, classes: Int = 0, isRandom: Bool = true) -> (
        model: SetFlowModel, store: ParameterStore
    ) {
        let builder = ParameterBuilder()
        var shape = SetFlowModel.Shape(
            features: 7, identities: 8,
            encoder: TransformerShape(width: 32, layers: 2, heads: 4, registers: registers, layerScale: 0.5),
            width: width, layers: 2, heads: 2)
        shape.decoder.classes = classes
        let model = SetFlowModel(shape, in: builder.root)
        let store = builder.build(seed: 1)
        if isRandom { store.randomize() }
        return (model, store)
    }

    private let solver = ODESolver.midpoint(steps: 4)

    @Test func oneHot() {
        let jets = randomJets([3, 0, 2])
        let channels = jets.oneHot(identities: 8)
        #expect(channels.shape == [5, 15])
        for token in 0..<5 {
            let row = channels.picking([token]).array
            #expect(Array(row[..<7]) == jets.values.picking([token]).array)
            #expect(row[7...].reduce(0, +) == 1 && row[7 + Int(jets.identities[token])] == 1)
        }
        for i in 0..<channels.count { channels.buffer[i] *= 1.5 }
        let back = Constituents(oneHot: channels, features: 7, offsets: jets.offsets)
        #expect(back.identities == jets.identities && back.offsets == jets.offsets)
    }

    /// The gates and the output of an untrained decoder are zero: noise stays noise.
    @Test func aNewModelMovesNothing() throws {
        let (model, _) = model(isRandom: false)
        let offsets = Offsets(counts: [4, 2])
        let noise = randomTensor([6, 15], seed: 3)
        let result = try model.generate(
            given: randomJets([2, 5]), from: noise, offsets: offsets, solver: solver)
        let expected = Constituents(oneHot: noise, features: 7, offsets: offsets)
        #expect(result.values.array == expected.values.array)
        #expect(result.identities == expected.identities)
    }

    /// Loss and gradients of all parameters, with jets without survivors, without dropped constituents, and empty.
    @Test(arguments: [0, 2]) func emptySets(registers: Int) throws {
        let (model, store) = model(registers: registers)
        let jets = randomJets([5, 3, 0, 4, 1])
        let isDropped = [
            true, false, true, true, false, true, true, true, false, false, false, false, true,
        ]
        let masked = MaskedConstituents(jets, mask: isDropped)
        let noise = randomTensor([7, 15], seed: 3)
        let times: [Float] = [0.1, 0.9, 0.5, 0.5, 0.3]
        let tape = Tape()
        let loss = model.loss(masked, noise: noise, times: times, scale: 1, on: tape)
        tape.backward()
        #expect(loss.isFinite && loss > 0)
        for parameter in store.parameters {
            let gradient = try #require(parameter.variable.gradient, "\(parameter.name)").sumOfSquares
            #expect(gradient.isFinite)
            #expect(gradient > 0, "\(parameter.name)")
        }

        // All dropped: whole jets, from the registers alone.
        let all = MaskedConstituents(jets, mask: [Bool](repeating: true, count: 13))
        let whole = try model.generate(
            given: all.survivors, from: randomTensor([13, 15], seed: 4), offsets: all.dropped.offsets,
            solver: solver)
        #expect(whole.values.array.allSatisfy { $0.isFinite })
        #expect(whole.offsets == jets.offsets)
    }

    /// The constituents generated for a jet do not depend on other jets, and are permuted with their noise.
    @Test func setsOfTheirOwn() throws {
        let (model, _) = model()
        let survivors = randomJets([3, 0, 6])
        let offsets = Offsets(counts: [4, 2, 5])
        let noise = randomTensor([11, 15], seed: 3)
        let together = try model.generate(given: survivors, from: noise, offsets: offsets, solver: solver)
        #expect(
            together.values.distance(to: Constituents(oneHot: noise, features: 7, offsets: offsets).values)
                > 0.1)
        for (jet, tokens) in [Array(0..<3), [], Array(3..<9)].enumerated() {
            let rows = Array(offsets[jet])
            let alone = try model.generate(
                given: survivors.picking(tokens, counts: [tokens.count]), from: noise.picking(rows),
                offsets: Offsets(counts: [rows.count]), solver: solver)
            #expect(alone.values.distance(to: together.values.picking(rows)) < 1e-4)
            let turned = try model.generate(
                given: survivors.picking(tokens.reversed(), counts: [tokens.count]),
                from: noise.picking(rows.reversed()), offsets: Offsets(counts: [rows.count]), solver: solver)
            #expect(turned.values.distance(to: together.values.picking(rows.reversed())) < 1e-4)
        }
        // Other survivors, other constituents.
        survivors.values.buffer[0] += 3
        let other = try model.generate(given: survivors, from: noise, offsets: offsets, solver: solver)
        #expect(other.values.rows(0..<4).distance(to: together.values.rows(0..<4)) > 1e-3)
    }

    /// The velocity depends on the time of the jet, and on no other.
    @Test func times() {
        let (model, _) = model()
        let masked = MaskedConstituents(
            randomJets([4, 4]), mask: [true, true, false, false, true, true, false, false])
        let noise = randomTensor([4, 15], seed: 3)
        func loss(_ times: [Float]) -> Double {
            model.loss(masked, noise: noise, times: times, scale: 1, on: Tape(recording: false))
        }
        #expect(abs(loss([0.2, 0.7]) - loss([0.7, 0.2])) > 1e-2)
    }

    /// The gradient of the vectors of classes, and of all parameters, is a difference of losses; the vector of a class
    /// without jets has none.
    @Test(arguments: ["decoder.classes", ""]) func gradientsOfClasses(prefix: String) throws {
        let (model, store) = model(classes: 4)
        let masked = MaskedConstituents(
            randomJets([4, 4, 3]), mask: [true, true, false, false, true, true, false, false, true, true, true])
        let noise = randomTensor([7, 15], seed: 3)
        func loss(on tape: Tape = Tape(recording: false)) -> Double {
            model.loss(masked, noise: noise, times: [0.2, 0.7, 0.4], labels: [1, 3, 1], scale: 1, on: tape)
        }
        store.resetGradients()
        let tape = Tape()
        _ = loss(on: tape)
        tape.backward()
        let gradient = try #require(store["decoder.classes"]?.variable.gradient)
        #expect(gradient.shape == [4, 16])
        for (label, isUsed) in [false, true, false, true].enumerated() {
            #expect((gradient.rows(label..<label + 1).sumOfSquares > 0) == isUsed, "class \(label)")
        }
        var (expected, step) = (0.0, Float(2e-3))
        var random = RandomSequence(RandomKey(seed: 9, stream: .flow))
        var directions: [(Tensor, [Float])] = []
        for parameter in store.parameters where parameter.name.hasPrefix(prefix) {
            let direction = Tensor.normal([parameter.variable.value.count, 1], from: &random).array
            let own = try #require(parameter.variable.gradient).array
            expected += zip(own, direction).reduce(0) { $0 + Double($1.0 * $1.1) }
            directions.append((parameter.variable.value, direction))
        }
        func moved(by step: Float) -> Double {
            for (value, direction) in directions {
                for i in direction.indices { value.buffer[i] += step * direction[i] }
            }
            defer {
                for (value, direction) in directions {
                    for i in direction.indices { value.buffer[i] -= step * direction[i] }
                }
            }
            return loss()
        }
        if prefix.isEmpty { step = 3e-4 }
        let found = (moved(by: step) - moved(by: -step)) / Double(2 * step)
        #expect(abs(found - expected) < 0.02 * max(abs(expected), 1), "\(found) instead of \(expected)")
    }

    /// Jets change with their class, and with no other.
    @Test func everyJetHasItsClass() throws {
        let (model, _) = model(classes: 3)
        let offsets = Offsets(counts: [4, 2])
        let noise = randomTensor([6, 15], seed: 3)
        let found = try [[0, 1], [2, 1], [0, 2]].map { labels in
            try model.generate(
                given: randomJets([2, 5]), from: noise, offsets: offsets, labels: labels.map { Int32($0) },
                solver: solver
            ).values
        }
        func change(_ other: Int, _ rows: Range<Int>) -> Double {
            Double(found[0].rows(rows).distance(to: found[other].rows(rows)))
        }
        #expect(change(1, 0..<4) > 1e-2 && change(1, 4..<6) < 1e-5)
        #expect(change(2, 0..<4) < 1e-5 && change(2, 4..<6) > 1e-2)
    }

    /// Overfits a few jets: the loss falls in a few steps, and the generated constituents are close to the data.
    @Test func oneBatchIsLearnt() throws {
        BLAS.useCallingThreadOnly()
        let (model, store) = model(width: 64, isRandom: false)
        let jets = randomJets([6, 4, 5, 3])
        for i in 0..<jets.values.count { jets.values.buffer[i] *= 0.3 }
        let masked = MaskedConstituents(jets, mask: (0..<18).map { $0 % 2 == 0 || $0 >= 15 })
        let count = masked.dropped.offsets.tokens
        var random = RandomSequence(RandomKey(seed: 5, stream: .flow))
        let optimizer = AdamW(store)
        var losses: [Double] = []
        let steps = 4000
        for step in 0..<steps {
            store.resetGradients()
            let tape = Tape()
            let times = (0..<4).map { _ in FlowMatchingPath.time(from: &random) }
            let sum = model.loss(
                masked, noise: .normal([count, 15], from: &random), times: times,
                scale: 1 / Float(count * 15), on: tape)
            losses.append(sum / Double(count * 15))
            tape.backward()
            optimizer.step(3e-3 * min(1, 2 * Double(steps - step) / Double(steps)), clippedIn: store)
        }
        let (first, last) = (losses.prefix(50).reduce(0, +) / 50, losses.suffix(50).reduce(0, +) / 50)
        #expect(last < 0.25 * first, "the loss fell from \(first) to \(last) only")
        let result = try model.generate(
            given: masked.survivors, from: .normal([count, 15], from: &random),
            offsets: masked.dropped.offsets,
            solver: .midpoint(steps: 20))
        // As sets: every constituent of the data has a generated constituent nearby.
        var distance = 0.0
        for jet in 0..<4 {
            for token in masked.dropped.offsets[jet] {
                let distances = masked.dropped.offsets[jet].map { other in
                    (0..<7).reduce(0.0) {
                        let d = Double(
                            masked.dropped.values.buffer[token * 7 + $1]
                                - result.values.buffer[other * 7 + $1])
                        return $0 + d * d
                    }.squareRoot()
                }
                distance += distances.min()! / Double(count)
            }
        }
        #expect(distance < 0.25, "generated constituents are \(distance) away")
    }
}

import Foundation
import Jets
import Models
import NN
import Objectives
import Tensors
import TestSupport
import Testing

@Suite struct NextTokenTests {
    private let shape = JetShape(features: 7, maxConstituents: SampleJets.maxConstituents)

    private func options(clusters: Int = 16) -> NextTokenOptions {
        var tokens = KMeansTokenizer.Options()
        (tokens.clusters, tokens.iterations, tokens.fitJets) = (clusters, 5, 100)
        var options = NextTokenOptions(tokens)
        options.encoder = TransformerShape(width: 48, layers: 2, heads: 4, registers: 2, layerScale: 0.5)
        options.fitJets = 200
        return options
    }

    /// From about ln 17 for sixteen tokens and the stop.
    @Test func overfitsClusters() throws {
        let found = try Overfitting(NextTokenTraining(options(), shape, seed: 3), steps: 400)
        #expect(found.names == ["next_token"])
        #expect(found.first[0] > 2.5 && found.last[0] < 0.1 * found.first[0], "\(found.first) to \(found.last)")
    }

    @Test func overfitsCodes() throws {
        let codes = fewCodes()
        var options = options()
        options.inputs = InputOptions(.vqvae, codes.model)
        let objective = NextTokenTraining(options, shape, seed: 3)
        let trained = VQVAETraining(codes, shape, seed: 3)
        try trained.fit(to: SampleJets.loader(), on: alone) { _ in }
        let weights = try #require(objective.tokenizerParameters)
        weights.values.pointer.update(from: trained.parameters.values.pointer, count: weights.values.count)
        let found = try Overfitting(objective, steps: 400)
        #expect(found.last[0] < 0.2 * found.first[0], "\(found.first) to \(found.last)")
        // Generated codes are decoded with all codes of their jet.
        let jets = try objective.generate(0..<4, constituents: nil, seed: 1, SamplingOptions())
        let codesDrawn = objective.draw(0..<4, constituents: nil, seed: 1, SamplingOptions())
        #expect(jets.offsets == Offsets(counts: codesDrawn.map(\.count)))
        let decoded = try #require(objective.tokenizer as? VQVAETokenizer)
            .features(of: codesDrawn.flatMap { $0 }, offsets: jets.offsets)
        #expect(jets.values.array == decoded.array && jets.values.columns == 7)
    }

    /// The sums of parts of a batch add up; the count has a stop for each jet.
    @Test func lossesAddUp() throws {
        let objective = NextTokenTraining(options(), shape, seed: 3)
        _ = try Overfitting(objective, steps: 3)
        let batch = try SampleJets.batch()
        func sums(_ parts: [Range<Int>]) -> (loss: Double, count: Double) {
            parts.reduce((0, 0)) { sum, range in
                let part = objective.prepare(batch.slice(jets: range), phase: .validation)
                return (sum.0 + part.evaluate([0], Tape(recording: false))[0], sum.1 + part.counts[0])
            }
        }
        let (whole, parts) = (sums([0..<32]), sums([20..<32, 0..<1, 1..<20]))
        #expect(whole.count == Double(batch.tokenCount + 32) && parts.count == whole.count)
        #expect(abs(whole.loss - parts.loss) < 1e-5 * whole.loss)
    }

    // MARK: - Sampling

    /// Three tokens and the stop, whose logits are those of the bias whatever came before.
    private func constant(_ bias: [Float], maxConstituents: Int = 20) throws -> NextTokenTraining {
        let objective = NextTokenTraining(
            options(clusters: bias.count - 1), JetShape(features: 7, maxConstituents: maxConstituents), seed: 3)
        let tokenizer = try #require(objective.tokenizer as? KMeansTokenizer)
        tokenizer.centroids = Tensor(
            (0..<7 * (bias.count - 1)).map { Float($0 / 7) }, shape: [bias.count - 1, 7])
        for value in objective.parameters.values.buffer.indices { objective.parameters.values.buffer[value] = 0 }
        let parameter = try #require(objective.parameters["next_token.bias"])
        for (token, value) in bias.enumerated() { parameter.variable.value.buffer[token] = value }
        return objective
    }

    /// Fractions of the tokens of many jets.
    private func fractions(_ jets: [[Int32]], of tokens: Int) -> [Double] {
        let all = jets.flatMap { $0 }
        return (0..<tokens).map { token in Double(all.count { $0 == token }) / Double(max(1, all.count)) }
    }

    /// p = softmax(bias / temperature) over the `topK` most likely; the number of constituents is geometric.
    @Test(arguments: [(1, nil), (2, nil), (0.5, nil), (1, 3), (2, 3), (1, 4), (1, 100)] as [(Float, Int?)])
    func drawsHaveTheProbabilitiesOfTheSoftmax(temperature: Float, topK: Int?) throws {
        let bias: [Float] = [1, 0, -1, 0.5]
        let objective = try constant(bias, maxConstituents: 400)
        let options = SamplingOptions(temperature: temperature, topK: topK)
        let jets = objective.draw(0..<2000, constituents: nil, seed: 4, options)
        var weights = bias.map { exp(Double($0 / temperature)) }
        if topK == 3 { weights[2] = 0 }
        let (sum, tokens) = (weights.reduce(0, +), weights[..<3].reduce(0, +))
        for (found, weight) in zip(fractions(jets, of: 3), weights) {
            #expect(abs(found - weight / tokens) < 0.025, "\(found) for \(weight / tokens)")
            #expect(weight > 0 || found == 0)
        }
        let (mean, stop) = (Double(jets.reduce(0) { $0 + $1.count }) / 2000, weights[3] / sum)
        let expected = (1 - stop) / stop
        let error = (1 - stop).squareRoot() / stop / Double(2000).squareRoot()
        #expect(abs(mean - expected) < 4 * error, "\(mean) constituents for \(expected)")
    }

    /// The limits of temperature and top-k are the most likely token, the first among equals.
    @Test(arguments: [
        SamplingOptions(temperature: 1e-30), SamplingOptions(topK: 1), SamplingOptions(takesMostLikely: true),
        SamplingOptions(temperature: 100, topK: 1),
    ])
    func theLimitIsTheMostLikelyToken(_ options: SamplingOptions) throws {
        // The stop never is the most likely one: jets end at the largest number of constituents.
        let objective = try constant([0, 2, 1, 1.5])
        #expect(
            objective.draw(0..<3, constituents: nil, seed: 1, options)
                == [[Int32]](repeating: [Int32](repeating: 1, count: 20), count: 3))
        // With the stop as the most likely one, jets are empty unless their number of constituents is given.
        let stopping = try constant([0, 1, 1, 3])
        #expect(stopping.draw(0..<3, constituents: nil, seed: 1, options) == [[], [], []])
        let draws = stopping.draw(0..<3, constituents: 6, seed: 1, options)
        #expect(draws.allSatisfy { $0.count == 6 })
        if options.topK == 1 || options.takesMostLikely { #expect(draws.joined().allSatisfy { $0 == 1 }) }
    }

    /// A high temperature draws all tokens equally often.
    @Test func aHighTemperatureIsUniform() throws {
        let objective = try constant([3, 0, -3, 0])
        let jets = objective.draw(0..<1000, constituents: 10, seed: 2, SamplingOptions(temperature: 1e6))
        for fraction in fractions(jets, of: 3) { #expect(abs(fraction - 1 / 3) < 0.02) }
    }

    /// A jet is a function of its number and the seed.
    @Test func jetsDoNotDependOnEachOther() throws {
        let objective = NextTokenTraining(options(), shape, seed: 3)
        _ = try Overfitting(objective, steps: 30)
        let all = try objective.generate(0..<40, constituents: nil, seed: 1, SamplingOptions())
        let copy = NextTokenTraining(options(), shape, seed: 8)
        copy.parameters.values.pointer.update(
            from: objective.parameters.values.pointer, count: objective.parameters.values.count)
        try copy.restore(objective.state)
        let some = try copy.generate(20..<30, constituents: nil, seed: 1, SamplingOptions())
        let tokens = all.offsets[20].lowerBound..<all.offsets[29].upperBound
        #expect(some.values.array == all.values.rows(tokens).array && !tokens.isEmpty)
        #expect(some.identities == Array(all.identities[tokens]) && Set(all.identities).count > 3)
        let other = try copy.generate(20..<30, constituents: nil, seed: 2, SamplingOptions())
        #expect(other.values.array != some.values.array)
        let five = try copy.generate(3..<6, constituents: 5, seed: 1, SamplingOptions())
        #expect(five.offsets.values == [0, 5, 10, 15])
    }

    // MARK: - A known process

    /// Trained on jets of a Markov chain, the model draws jets of this chain.
    @Test func learnsAMarkovChain() throws {
        // Rows: after the start, after 0, after 1; columns: 0, 1, stop.
        let chain: [[Double]] = [[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.6, 0.1, 0.3]]
        var options = options(clusters: 2)
        options.encoder = TransformerShape(width: 16, layers: 1, heads: 2, registers: 1, layerScale: 0.5)
        let objective = NextTokenTraining(options, shape, seed: 3)
        let tokenizer = try #require(objective.tokenizer as? KMeansTokenizer)
        tokenizer.centroids = Tensor((0..<14).map { $0 < 7 ? -1 : 1 }, shape: [2, 7])
        var random = RandomSequence(RandomKey(seed: 1, stream: .sampling))
        func jet() -> [Int32] {
            var tokens: [Int32] = []
            while tokens.count < 20 {
                let (row, drawn) = (chain[tokens.last.map { Int($0) + 1 } ?? 0], random.uniform64())
                if drawn >= row[0] + row[1] { break }
                tokens.append(drawn < row[0] ? 0 : 1)
            }
            return tokens
        }
        let optimizer = AdamW(objective.parameters)
        for step in 0..<250 {
            let jets = (0..<64).map { _ in jet() }
            let tokens = jets.flatMap { $0 }
            let part = objective.prepare(
                batch(
                    Constituents(
                        values: tokenizer.vectors(of: tokens), identities: tokens.map { _ in 0 },
                        offsets: Offsets(counts: jets.map(\.count)))), phase: .training(step: step))
            optimizer.learn(part, [Float(1 / part.counts[0])], of: objective, step: step, of: 250)
        }
        let drawn = objective.draw(0..<3000, constituents: nil, seed: 1, SamplingOptions())
        var counts = [[Double]](repeating: [0, 0, 0], count: 3)
        for jet in drawn {
            for (place, token) in (jet + [2]).enumerated() where place < 20 {
                counts[place == 0 ? 0 : Int(jet[place - 1]) + 1][Int(token)] += 1
            }
        }
        for (found, expected) in zip(counts, chain) {
            let sum = found.reduce(0, +)
            for (a, b) in zip(found, expected) { #expect(abs(a / sum - b) < 0.06, "\(counts)") }
        }
    }
}

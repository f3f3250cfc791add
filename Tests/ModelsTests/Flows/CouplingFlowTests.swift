import Foundation
import Models
import NN
import Tensors
import Testing

@Suite struct CouplingFlowTests {
    private func flow(_ shape: CouplingFlow.Shape, isRandom: Bool = true) -> (
        flow: CouplingFlow, store: ParameterStore
    ) {
        let builder = ParameterBuilder()
        let flow = CouplingFlow(shape, in: builder.root)
        let store = builder.build(seed: 3)
        if isRandom { store.randomize() }
        return (flow, store)
    }

    /// ln N(x; 0, 1)
    private func normalLogDensity(_ x: [Float]) -> Double {
        x.reduce(0) { $0 - Double($1) * Double($1) / 2 } - Double(x.count) / 2 * log(2 * Double.pi)
    }

    @Test(arguments: [2, 3, 7]) func aNewFlowIsTheIdentity(features: Int) {
        let (flow, _) = flow(.init(features: features, context: 4, width: 16), isRandom: false)
        let (x, context) = (randomTensor([50, features], seed: 1), randomTensor([50, 4], seed: 2))
        let state = flow(
            Variable(constant: x), context: Variable(constant: context), on: Tape(recording: false)
        ).value
        for row in 0..<50 {
            let values = state.rows(row..<row + 1).array
            for f in 0..<features { #expect(abs(values[f] - x.array[row * features + f]) < 1e-5) }
            #expect(abs(values[features]) < 1e-5)
        }
        #expect(flow.inverse(x, context: context).distance(to: x) < 1e-5)
    }

    /// Values within the bound and far outside of it; the slopes of the splines are between about 0.1 and 10, because
    /// no inverse can recover the digits that a flatter piece rounds away.
    @Test(arguments: [2, 5, 7], [(1, .input), (3, .input), (1, .hidden)] as [(Int, CouplingFlow.ContextPlace)])
    func forwardThenInverse(features: Int, network: (depth: Int, contextPlace: CouplingFlow.ContextPlace)) {
        let (flow, store) = flow(
            .init(
                features: features, context: 3, width: 24, depth: network.depth, contextPlace: network.contextPlace))
        for i in 0..<store.values.count { store.values.buffer[i] *= 0.6 }
        let x = randomTensor([400, features], seed: 1)
        for i in 0..<x.count where i % 11 == 0 { x.buffer[i] *= 3 }
        let context = randomTensor([400, 3], seed: 2)
        let tape = Tape(recording: false)
        let state = flow(Variable(constant: x), context: Variable(constant: context), on: tape)
        let z = tape.pickColumns(state, index: Array(0..<features)).value
        #expect(z.distance(to: x) > 0.5, "the flow is not the identity")
        let error = flow.inverse(z, context: context).distance(to: x)
        #expect(error < 1e-4, "the input is off by \(error)")
    }

    /// The density depends on the context, and not on other tokens.
    @Test func tokensAndContexts() {
        let (flow, _) = flow(.init(features: 4, context: 3, width: 16))
        let (x, context) = (randomTensor([6, 4], seed: 1), randomTensor([6, 3], seed: 2))
        let together = flow.logDensity(of: x, context: context)
        for row in 0..<6 {
            let alone = flow.logDensity(of: x.picking([row]), context: context.picking([row]))
            #expect(abs(alone[0] - together[row]) < 1e-5)
            let other = flow.logDensity(of: x.picking([row]), context: context.picking([(row + 1) % 6]))
            #expect(abs(other[0] - together[row]) > 1e-3)
        }
    }

    /// Σ p(x) over a fine grid that extends far into the tails, for two contexts.
    @Test(arguments: [0, 1]) func theDensityIntegratesToOne(context number: Int) {
        let (flow, _) = flow(.init(features: 2, context: 2, layers: 4, width: 16))
        let (cells, edge) = (400, 8.0)
        let width = 2 * edge / Double(cells)
        let row = randomTensor([2, 2], seed: 8).picking([number]).array
        var total = 0.0
        for i in 0..<cells {
            let first = Float(-edge + (Double(i) + 0.5) * width)
            let points = (0..<cells).flatMap { [first, Float(-edge + (Double($0) + 0.5) * width)] }
            let context = (0..<cells).flatMap { _ in row }
            total += flow.logDensity(
                of: Tensor(points, shape: [cells, 2]), context: Tensor(context, shape: [cells, 2])
            ).reduce(0) { $0 + exp($1) }
        }
        total *= width * width
        #expect(abs(total - 1) < 1e-2, "the integral is \(total)")
    }

    /// A mixture of two normal distributions in seven dimensions, one of them stretched along a diagonal; the context
    /// shifts the first feature.
    private enum Mixture {
        static let features = 7
        static let shares = [0.35, 0.65]
        static let centres: [[Double]] = [
            [-1.2, 0.8, 0, 0.5, -0.5, 1, -0.3], [0.6, -0.5, 0.4, -0.2, 0.8, -0.6, 0.2],
        ]
        static let deviations: [[Double]] = [
            [0.3, 0.4, 0.8, 0.5, 0.6, 0.3, 0.7], [0.6, 0.5, 0.5, 0.8, 0.4, 0.5, 0.6],
        ]
        /// Common term of all features of the second component.
        static let common = 0.5
        static let shift = 0.6

        static func draw(_ sign: Double, _ random: inout RandomSequence) -> [Float] {
            let part = random.uniform64() < shares[0] ? 0 : 1
            let shared = part == 1 ? common * Double(random.normal()) : 0
            return (0..<features).map { f in
                let centre = centres[part][f] + (f == 0 ? shift * sign : 0)
                return Float(centre + deviations[part][f] * Double(random.normal()) + shared)
            }
        }

        static func mean(_ sign: Double) -> [Double] {
            (0..<features).map { f in
                shares[0] * centres[0][f] + shares[1] * centres[1][f] + (f == 0 ? shift * sign : 0)
            }
        }

        static var covariance: [[Double]] {
            (0..<features).map { a in
                (0..<features).map { b in
                    let means = mean(0)
                    return (0..<2).reduce(0) { sum, part in
                        let spread = (a == b ? deviations[part][a] * deviations[part][a] : 0)
                        let shared = part == 1 ? common * common : 0
                        let between = (centres[part][a] - means[a]) * (centres[part][b] - means[b])
                        return sum + shares[part] * (spread + shared + between)
                    }
                }
            }
        }

        /// Draws with alternating signs, and the contexts that contain the sign.
        static func batch(_ count: Int, _ random: inout RandomSequence) -> (x: Tensor, context: Tensor) {
            let signs = (0..<count).map { Float($0 % 2 == 0 ? 1 : -1) }
            let x = signs.flatMap { draw(Double($0), &random) }
            return (Tensor(x, shape: [count, features]), Tensor(signs, shape: [count, 1]))
        }
    }

    private func means(_ x: Tensor, sign: Int) -> [Double] {
        let rows = stride(from: sign, to: x.rows, by: 2)
        return (0..<x.columns).map { f in
            rows.reduce(0) { $0 + Double(x.buffer[$1 * x.columns + f]) } / Double(x.rows / 2)
        }
    }

    /// Means and covariances within 0.05, marginal quantiles from 5 % to 95 % within 0.08 of those of the mixture,
    /// whose standard deviations are about one; the statistical error of the samples is 0.01.
    @Test func aTrainedFlowSamplesAKnownMixture() {
        BLAS.useCallingThreadOnly()
        let (flow, store) = flow(
            .init(features: Mixture.features, context: 1, layers: 4, width: 32), isRandom: false)
        var random = RandomSequence(RandomKey(seed: 5, stream: .sampling))
        let optimizer = AdamW(store)
        let (steps, size) = (1500, 256)
        for step in 0..<steps {
            let (x, context) = Mixture.batch(size, &random)
            store.resetGradients()
            let tape = Tape()
            _ = flow.negativeLogLikelihood(
                Variable(constant: x), context: Variable(constant: context), scale: 1 / Float(size), on: tape)
            tape.backward()
            let rate = 5e-3 * (1 + cos(Double.pi * Double(step) / Double(steps))) / 2
            optimizer.step(rate, clippedIn: store)
        }
        let count = 20_000
        let (truth, context) = Mixture.batch(count, &random)
        let samples = flow.inverse(.normal([count, Mixture.features], from: &random), context: context)
        let tape = Tape(recording: false)
        let state = flow(Variable(constant: truth), context: Variable(constant: context), on: tape)
        let z = tape.pickColumns(state, index: Array(0..<Mixture.features)).value
        let error = flow.inverse(z, context: context).distance(to: truth)
        #expect(error < 5e-4, "the input of a trained flow is off by \(error)")
        for sign in 0..<2 {
            for (mean, expected) in zip(means(samples, sign: sign), Mixture.mean(sign == 0 ? 1 : -1)) {
                #expect(abs(mean - expected) < 0.05, "sign \(sign): mean \(mean) instead of \(expected)")
            }
        }
        let centres = (0..<2).map { means(samples, sign: $0) }
        for a in 0..<Mixture.features {
            for b in 0...a {
                let sum = (0..<count).reduce(0) { sum, row in
                    let values = samples.pointer + row * Mixture.features
                    let centre = centres[row % 2]
                    return sum + (Double(values[a]) - centre[a]) * (Double(values[b]) - centre[b])
                }
                let (covariance, expected) = (sum / Double(count), Mixture.covariance[a][b])
                #expect(
                    abs(covariance - expected) < 0.05, "covariance \(a), \(b): \(covariance), \(expected)")
            }
        }
        for f in 0..<Mixture.features {
            func sorted(_ x: Tensor) -> [Float] {
                (0..<count).map { x.buffer[$0 * Mixture.features + f] }.sorted()
            }
            let (ours, theirs) = (sorted(samples), sorted(truth))
            for percent in [5, 25, 50, 75, 95] {
                let place = count * percent / 100
                #expect(abs(ours[place] - theirs[place]) < 0.08, "quantile \(percent) % of feature \(f)")
            }
        }
    }

    /// A feature that no layer transforms could not be learned.
    @Test(arguments: CouplingFlow.ContextPlace.allCases)
    func everyParameterHasAGradient(contextPlace: CouplingFlow.ContextPlace) {
        let (flow, store) = flow(.init(features: 5, context: 2, layers: 2, width: 8, contextPlace: contextPlace))
        let tape = Tape()
        let x = Variable(leaf: randomTensor([40, 5], seed: 1))
        let context = Variable(leaf: randomTensor([40, 2], seed: 2))
        _ = flow.negativeLogLikelihood(x, context: context, scale: 1, on: tape)
        tape.backward()
        for parameter in store.parameters {
            #expect(parameter.variable.gradient.map { $0.sumOfSquares > 0 } == true, "\(parameter.name)")
        }
        #expect(x.gradient != nil && context.gradient != nil)
    }

    @Test func noTokens() {
        let (flow, _) = flow(.init(features: 3, context: 2, width: 8))
        let nothing = flow.inverse(Tensor(shape: [0, 3]), context: Tensor(shape: [0, 2]))
        #expect(nothing.shape == [0, 3])
        #expect(flow.logDensity(of: nothing, context: Tensor(shape: [0, 2])) == [])
    }
}

extension CouplingFlow {
    /// ln p(x | context) of every token.
    func logDensity(of x: Tensor, context: Tensor) -> [Double] {
        self(Variable(constant: x), context: Variable(constant: context), on: Tape(recording: false))
            .value.normalLogLikelihoods
    }
}

extension AdamW {
    /// One step with the gradients of a store clipped to norm one.
    func step(_ rate: Double, clippedIn store: ParameterStore) {
        step(
            learningRate: rate,
            gradientScale: clippingFactor(norm: store.gradients.sumOfSquares.squareRoot(), limit: 1))
    }
}

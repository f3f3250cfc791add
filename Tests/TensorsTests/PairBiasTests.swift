import Foundation
import Golden
import Tensors
import Testing

@Suite("Golden pair bias")
struct GoldenPairBiasTests {
    /// Transverse momentum, rapidity, azimuth and squared mass of four-momenta.
    private func kinematics(_ momenta: Tensor) -> Tensor {
        let rows = (0..<momenta.rows).map { momenta.rows($0..<$0 + 1).array.map(Double.init) }
        let values = rows.flatMap { p -> [Float] in
            let mass = p[3] * p[3] - p[0] * p[0] - p[1] * p[1] - p[2] * p[2]
            return [hypot(p[0], p[1]), 0.5 * log((p[3] + p[2]) / (p[3] - p[2])), atan2(p[1], p[0]), mass].map {
                Float($0)
            }
        }
        return Tensor(values, shape: [momenta.rows, 4])
    }

    /// The pairs i ≤ j of the golden file's pairs in row order.
    private func upperPairs(_ offsets: Offsets) -> [Int] {
        var (result, first) = ([Int](), 0)
        for jet in 0..<offsets.jets {
            let n = offsets[jet].count
            for i in 0..<n { result += (i..<n).map { first + i * n + $0 } }
            first += n * n
        }
        return result
    }

    @Test(arguments: Precision.tested, [1, Int.max]) func attention(precision: Precision, tiledPairs: Int) throws {
        let file = try GoldenFile("pair_bias_attention")
        let (offsets, heads) = (try file.offsets(), try file.integer("heads"))
        let features = Tensor.pairFeatures(
            PairFeature.allCases, of: kinematics(try file.tensor("in.momenta")), offsets: offsets)
        let expected = try file.floats("out.pair_features")
        let upper = upperPairs(offsets)
        let kept = upper.flatMap { pair in (0..<4).map { expected[4 * pair + $0] } }
        #expect(relativeError(features.array, kept) < goldenTolerance)

        let x = try Variable(leaf: file.tensor("in.x"))
        let names =
            ["attn_in_w", "attn_in_b", "attn_out.weight", "attn_out.bias"]
            + [0, 2, 4, 6].flatMap { ["pair.\($0).weight", "pair.\($0).bias"] }
        let parameters = try names.map { try Variable(leaf: file.tensor("param.\($0)")) }
        let tape = Tape(precision: precision)
        // Blocks of a few pairs, so that gradients are summed over blocks.
        let pairs = tape.recomputed(
            "pair network", of: features, parameters: Array(parameters[4...]), outputs: heads, blockRows: 16
        ) { tape, x in
            [4, 6, 8, 10].reduce(x) {
                tape.linear($1 == 4 ? $0 : tape.gelu($0), weight: parameters[$1], bias: parameters[$1 + 1])
            }
        }
        let bias = try file.floats("out.bias")
        let error = precision.error(
            pairs.value.array, upper.flatMap { pair in (0..<heads).map { bias[heads * pair + $0] } })
        #expect(error < precision.goldenTolerance)
        let packing = tape.biased(Packing(offsets, tiledPairs: tiledPairs), by: pairs, inFront: 0)
        let projected = tape.linear(x, weight: parameters[0], bias: parameters[1], output: tape.activationType)
        let attended = tape.selfAttention(projected, packing: packing, heads: heads)
        let y = tape.linear(attended, weight: parameters[2], bias: parameters[3])
        try tape.backward(from: y, seed: file.tensor("seed.y"))
        let results =
            [("out.y", y.value), ("grad.in.x", try #require(x.gradient))]
            + zip(names, parameters).map { ("grad.param.\($0)", $1.gradient ?? Tensor(shape: [0])) }
        for (name, value) in results {
            // The last bias of a head shifts all its scores: its gradient is zero in theory, and is compared with one.
            let expected = try file.floats(name)
            let vanishes = expected.allSatisfy { abs($0) < 1e-6 }
            let error =
                vanishes ? value.array.map(abs).max() ?? .infinity : precision.error(value.array, expected)
            #expect(error <= precision.goldenTolerance, "\(name) is off by \(error)")
        }
    }
}

@Suite struct PairBiasTests {
    private let counts = [3, 0, 1, 20]

    /// Scores with a bias of the pairs of tokens behind the first two of each jet, in double precision.
    private func reference(_ x: [Double], _ pairs: [Double], heads: Int, size: Int, inFront: Int) -> [Double] {
        let width = heads * size
        var y = [Double](repeating: 0, count: x.count / 3)
        var (first, firstPair) = (0, 0)
        for count in counts {
            let n = count + inFront
            func bias(_ a: Int, _ b: Int, _ head: Int) -> Double {
                guard min(a, b) >= inFront else { return 0 }
                let (i, j) = (min(a, b) - inFront, max(a, b) - inFront)
                return pairs[(firstPair + i * count - i * (i - 1) / 2 + j - i) * heads + head]
            }
            for head in 0..<heads {
                for i in 0..<n {
                    let scores = (0..<n).map { j in
                        (0..<size).reduce(0) {
                            $0 + x[(first + i) * 3 * width + head * size + $1]
                                * x[(first + j) * 3 * width + width + head * size + $1]
                        } / Double(size).squareRoot() + bias(i, j, head)
                    }
                    for (j, p) in Reference.softmax(scores).enumerated() {
                        for c in 0..<size {
                            y[(first + i) * width + head * size + c] +=
                                p * x[(first + j) * 3 * width + 2 * width + head * size + c]
                        }
                    }
                }
            }
            first += n
            firstPair += count * (count + 1) / 2
        }
        return y
    }

    /// Values and gradients of two blocks that share a bias, with and without tokens in front, in tiles and whole.
    @Test(arguments: [(0, Int.max), (2, Int.max), (0, 1), (2, 1)]) func attention(inFront: Int, tiledPairs: Int) {
        let offsets = Offsets(counts: counts.map { $0 + inFront })
        let pairs = Offsets(counts: counts).pairsWithSelf.tokens
        OperationCheck(
            inputs: [
                randomTensor([offsets.tokens, 3 * 2 * 8], seed: 1), randomTensor([pairs, 2], seed: 2),
            ],
            operation: { tape, x in
                let packing = tape.biased(Packing(offsets, tiledPairs: tiledPairs), by: x[1], inFront: inFront)
                return tape.add(
                    tape.selfAttention(x[0], packing: packing, heads: 2),
                    tape.selfAttention(x[0], packing: packing, heads: 2))
            },
            reference: { reference($0[0], $0[1], heads: 2, size: 8, inFront: inFront).map { 2 * $0 } },
            elements: 24
        ).run()
    }

    /// Features in double precision: massless and massive, the same direction, across φ = ±π, far apart.
    @Test func features() {
        let momenta: [[Double]] = [
            [120, 0.01, 3.1, 0], [80, -0.4, -3.1, 0.02], [80, -0.4, -3.1, 0], [1e-3, 1.9, 0.2, 0], [5, -7, 1.4, 25],
            [300, 6, -2, 1e4], [0, 0, 0, 0],
        ]
        let offsets = Offsets(counts: [0, 7])
        let found = Tensor.pairFeatures(
            [.logMass, .logDistance, .logFraction, .logTransverseMomentum],
            of: Tensor(momenta.flatMap { $0.map { Float($0) } }, shape: [7, 4]), offsets: offsets)
        var expected: [Double] = []
        for i in momenta.indices {
            for j in i..<momenta.count {
                let (a, b) = (momenta[i], momenta[j])
                let turn = a[2] - b[2]
                let angle = turn - 2 * .pi * (turn / (2 * .pi)).rounded()
                let distance = hypot(a[1] - b[1], angle)
                let (ma, mb) = ((a[0] * a[0] + a[3]).squareRoot(), (b[0] * b[0] + b[3]).squareRoot())
                let mass = a[3] + b[3] + 2 * (ma * mb * cosh(a[1] - b[1]) - a[0] * b[0] * cos(angle))
                let arguments = [
                    i == j ? 4 * a[3] : mass, distance, min(a[0], b[0]) / max(a[0] + b[0], 1e-30),
                    min(a[0], b[0]) * distance,
                ]
                expected += arguments.map { log(max($0, 1e-8)) }
            }
        }
        expectClose(found.doubles, expected, 2e-6, "a feature")
    }

    /// A recomputed function gives the values and gradients of the function itself, also without rows.
    @Test(arguments: [0, 1, 37]) func recomputation(rows: Int) {
        let x = randomTensor([rows, 4], seed: 1)
        let seed = randomTensor([rows, 3], seed: 2)
        let initial = [randomTensor([5, 4], seed: 3), randomTensor([3, 5], seed: 4)]
        func function(_ tape: Tape, _ x: Variable, _ weights: [Variable]) -> Variable {
            tape.linear(tape.gelu(tape.linear(x, weight: weights[0], bias: nil)), weight: weights[1], bias: nil)
        }
        let (plain, recomputed) = (initial.map { Variable(leaf: $0) }, initial.map { Variable(leaf: $0) })
        let (first, second) = (Tape(), Tape())
        let y = function(first, Variable(constant: x), plain)
        let z = second.recomputed("function", of: x, parameters: recomputed, outputs: 3, blockRows: 8) {
            function($0, $1, recomputed)
        }
        #expect(y.value.array == z.value.array)
        first.backward(from: y, seed: seed)
        second.backward(from: z, seed: seed)
        for (a, b) in zip(plain, recomputed) {
            expectClose(b.gradient!.doubles, a.gradient!.doubles, 1e-6, "a gradient")
        }
        #expect(first.operations == second.operations)
    }
}

import Foundation
import Tensors
import Testing

@Suite struct SplineTests {
    /// Reference splines in double precision, on a state of features and the logarithm of the determinant.
    private func reference(
        _ state: [Double], _ parameters: [Double], columns: Int, features: [Int], form: SplineForm,
        scale: Double,
        isShared: Bool
    ) -> [Double] {
        var result = state
        let (bins, bound) = (form.bins, Double(form.bound))
        for token in 0..<state.count / columns {
            for (place, feature) in features.enumerated() {
                let x = state[token * columns + feature]
                guard abs(x) <= bound else { continue }
                let first = ((isShared ? 0 : token * features.count) + place) * form.parameters
                let row = Array(parameters[first..<first + form.parameters])
                func knots(_ u: ArraySlice<Double>, _ least: Double) -> [Double] {
                    let shares = Reference.softmax(u.map { scale * $0 })
                    let bins = shares.map { 2 * bound * (least + (1 - least * Double(shares.count)) * $0) }
                    return bins.reduce(into: [-bound]) { $0.append($0.last! + $1) }
                }
                let xs = knots(row[0..<bins], Double(form.minimumWidth))
                let ys = knots(row[bins..<2 * bins], Double(form.minimumHeight))
                let inner = row[(2 * bins)...].map { Double(form.minimumDerivative) + log(1 + exp($0)) }
                let slopes = [1] + inner + [1]
                let k = (0..<bins).last { x >= xs[$0] } ?? 0
                let (w, h) = (xs[k + 1] - xs[k], ys[k + 1] - ys[k])
                let (s, t) = (h / w, (x - xs[k]) / w)
                let below = s + (slopes[k] + slopes[k + 1] - 2 * s) * t * (1 - t)
                result[token * columns + feature] = ys[k] + h * (s * t * t + slopes[k] * t * (1 - t)) / below
                let above = slopes[k + 1] * t * t + 2 * s * t * (1 - t) + slopes[k] * (1 - t) * (1 - t)
                result[token * columns + columns - 1] += log(s * s * above / (below * below))
            }
        }
        return result
    }

    private func check(
        tokens: Int, columns: Int, features: [Int], form: SplineForm, scale: Float, isShared: Bool,
        location: SourceLocation = #_sourceLocation
    ) {
        let shape =
            isShared
            ? [features.count, form.parameters] : [tokens, features.count * form.parameters]
        // Values whose displacements do not cross a knot, where the second derivative jumps.
        OperationCheck(
            inputs: [
                randomTensor([tokens, columns], seed: 3, deviation: 1.5),
                randomTensor(shape, seed: 2, deviation: 0.7),
            ],
            operation: {
                $0.rationalQuadraticSpline(
                    $1[0], features: features, parameters: $1[1], form: form, scale: scale)
            },
            reference: {
                reference(
                    $0[0], $0[1], columns: columns, features: features, form: form, scale: Double(scale),
                    isShared: isShared)
            }, tolerance: 5e-5, elements: 48
        ).run(location: location)
    }

    /// Numbers of values around the vector width.
    @Test(arguments: [1, 5, 8, 9, 17]) func ownParameters(tokens: Int) {
        check(tokens: tokens, columns: 4, features: [2, 0], form: SplineForm(), scale: 1, isShared: false)
    }

    @Test(arguments: [1, 6, 17]) func sharedParameters(tokens: Int) {
        check(tokens: tokens, columns: 5, features: [0, 1, 3], form: SplineForm(), scale: 1, isShared: true)
    }

    @Test(arguments: [1, 2, 5, SplineForm.maximumBins]) func otherForms(bins: Int) {
        let form = SplineForm(
            bins: bins, bound: 2.5, minimumWidth: 2e-3, minimumHeight: 3e-3, minimumDerivative: 5e-2)
        check(tokens: 7, columns: 3, features: [1], form: form, scale: 0.25, isShared: false)
    }

    /// Columns that are not transformed are unchanged, as are values at and outside the bound.
    @Test func outsideOfTheBound() throws {
        let x: [Float] = [-9, -4, 4.001, 4, .infinity, -.infinity]
        let state = Variable(leaf: Tensor(x.flatMap { [$0, 0.25, 0.5] }, shape: [x.count, 3]))
        let form = SplineForm()
        let parameters = Variable(leaf: randomTensor([x.count, form.parameters], seed: 3))
        let tape = Tape()
        let y = tape.rationalQuadraticSpline(state, features: [0], parameters: parameters, form: form)
        for (row, value) in x.enumerated() {
            let result = Array(y.value.array[row * 3..<row * 3 + 3])
            #expect(result[0] == value || abs(result[0] - value) < 1e-6)
            #expect(result[1] == 0.25)
            if abs(value) > 4 { #expect(result[2] == 0.5) }
        }
        let seed = randomTensor(y.shape, seed: 4)
        tape.backward(from: y, seed: seed.copy())
        let (dx, dparameters) = try (#require(state.gradient), #require(parameters.gradient))
        for row in [0, 2, 4, 5] {
            #expect(dx.rows(row..<row + 1).array == seed.rows(row..<row + 1).array)
            #expect(dparameters.rows(row..<row + 1).array.allSatisfy { $0 == 0 })
        }
    }

    /// The inverse recovers the input and cancels the logarithms, on a grid that covers every bin.
    @Test(arguments: [true, false]) func inverse(isShared: Bool) {
        let (form, tokens) = (SplineForm(), 999)
        let x = Tensor(repeating: 0, shape: [tokens, 3])
        for token in 0..<tokens {
            x.buffer[token * 3] = Float(token - 499) / 100
            x.buffer[token * 3 + 1] = Float(499 - token) / 120
        }
        let parameters = randomTensor(
            isShared ? [2, form.parameters] : [tokens, 2 * form.parameters], seed: 6, deviation: 0.7)
        let y = Tape(recording: false).rationalQuadraticSpline(
            Variable(constant: x), features: [0, 1], parameters: Variable(constant: parameters), form: form
        ).value
        let back = y.invertingSpline(features: [0, 1], parameters: parameters, form: form)
        expectClose(back.doubles, x.doubles, 2e-5, "the input")
        #expect(zip(y.array, x.array).contains { abs($0 - $1) > 0.1 }, "the splines are not the identity")
    }

    /// NaN propagates, but not to the neighbours or their gradients.
    @Test func notANumber() throws {
        let form = SplineForm()
        let values = randomTensor([20, 2], seed: 7)
        values.buffer[2 * 3] = .nan
        let state = Variable(leaf: values)
        let parameters = randomTensor([20, form.parameters], seed: 8)
        parameters.buffer[5 * form.parameters + 2] = .nan
        values.buffer[2 * 5] = 0.5
        let tape = Tape()
        let y = tape.rationalQuadraticSpline(
            state, features: [0], parameters: Variable(leaf: parameters), form: form)
        #expect(y.value.array.placesOfNaN.map { $0 / 2 } == [3, 5, 5])
        tape.backward(from: y, seed: Tensor(repeating: 1, shape: y.shape))
        #expect(try #require(state.gradient).array.placesOfNaN == [10])
    }

    @Test func noTokens() {
        let form = SplineForm()
        let state = Variable(leaf: Tensor(shape: [0, 4]))
        for shape in [[0, 2 * form.parameters], [2, form.parameters]] {
            let parameters = Variable(leaf: Tensor(repeating: 1, shape: shape))
            let tape = Tape()
            let y = tape.rationalQuadraticSpline(state, features: [0, 2], parameters: parameters, form: form)
            tape.backward(from: y, seed: Tensor(shape: [0, 4]))
            #expect(y.shape == [0, 4])
            #expect(parameters.gradient?.array.allSatisfy { $0 == 0 } == true)
        }
    }

    @Test func likelihood() {
        LossCheck(
            input: randomTensor([6, 4], seed: 1), loss: { $0.normalNegativeLogLikelihood($1, scale: $2) },
            reference: {
                Reference.rows(of: $0, 4).reduce(0) { sum, row in
                    sum + row[..<3].reduce(0) { $0 + $1 * $1 / 2 } + 1.5 * log(2 * Double.pi) - row[3]
                }
            }
        ).run()
    }
}

import Foundation
import Tensors
import Testing

/// Cross-entropy and element-wise losses.
@Suite struct LossTests {
    private func crossEntropy(
        rows: Int, classes: Int, smoothing: Double, isWeighted: Bool, deviation: Float = 2, mean: Float = 0
    ) {
        let target = randomIndices(rows, below: classes, seed: 4)
        let weights =
            isWeighted
            ? Tensor(randomTensor([classes], seed: 5).array.map { 0.1 + abs($0) }, shape: [classes]) : nil
        LossCheck(
            input: randomTensor([rows, classes], seed: 1, deviation: deviation, mean: mean),
            loss: {
                $0.crossEntropy(
                    $1, target: target, smoothing: Float(smoothing), classWeights: weights, scale: $2)
            },
            reference: {
                Reference.crossEntropy(
                    $0, target, classes: classes, smoothing: smoothing, weights: weights?.doubles)
            }
        ).run()
    }

    @Test(arguments: awkwardWidths + [2, 300]) func crossEntropy(classes: Int) {
        for (smoothing, isWeighted) in [(0.0, false), (0.1, false), (0, true), (0.1, true), (1, true)] {
            crossEntropy(rows: 5, classes: classes, smoothing: smoothing, isWeighted: isWeighted)
        }
    }

    /// Every row with its own smoothing is like several losses of single rows.
    @Test func crossEntropyWithSmoothingByRow() {
        let (target, smoothing): ([Int32], [Float]) = ([1, 0, 1], [0, 0.3, 1.5])
        LossCheck(
            input: randomTensor([3, 2], seed: 1),
            loss: { $0.crossEntropy($1, target: target, rowSmoothing: smoothing, scale: $2) },
            reference: { x in
                (0..<3).reduce(0) {
                    $0
                        + Reference.crossEntropy(
                            Array(x[2 * $1..<2 * $1 + 2]), [target[$1]], classes: 2, smoothing: Double(smoothing[$1]),
                            weights: nil)
                }
            }
        ).run()
    }

    /// Logits far from zero and far apart, whose exponentials would overflow.
    @Test func crossEntropyOfLargeLogits() {
        crossEntropy(rows: 5, classes: 33, smoothing: 0.1, isWeighted: true, deviation: 40, mean: 500)
    }

    /// The loss of a certain correct prediction is zero, that of a wrong one the difference of the logits.
    @Test func crossEntropyOfCertainty() {
        let logits = Tensor([300, 0, 0, 300], shape: [2, 2])
        func loss(_ target: [Int32]) -> Double {
            Tape(recording: false).crossEntropy(Variable(constant: logits), target: target, scale: 1)
        }
        #expect(loss([0, 1]) == 0)
        #expect(abs(loss([1, 1]) - 300) < 1e-4)
        #expect(abs(loss([1, 0]) - 600) < 1e-4)
    }

    @Test func lossesOfNothing() {
        let nothing = Variable(leaf: Tensor(shape: [0, 5]))
        #expect(Tape().crossEntropy(nothing, target: [], smoothing: 0.1, scale: 1) == 0)
        #expect(Tape().l1Loss(nothing, target: Tensor(shape: [0, 5]), scale: 1) == 0)
        #expect(Tape().mseLoss(nothing, target: Tensor(shape: [0, 5]), scale: 1) == 0)
        #expect(nothing.gradient?.count == 0)
    }

    /// A loss on a tape that does not record leaves the logits unchanged.
    @Test func evaluationKeepsTheLogits() {
        let logits = randomTensor([4, 17], seed: 1)
        let before = logits.array
        _ = Tape(recording: false).crossEntropy(Variable(leaf: logits), target: [0, 1, 2, 3], scale: 1)
        _ = Tape().crossEntropy(Variable(constant: logits), target: [0, 1, 2, 3], scale: 1)
        #expect(logits.array == before)
    }

    /// Differences of at least 0.2 on either side, so that no ε crosses the kink of the absolute value.
    @Test(arguments: awkwardWidths) func l1(columns: Int) {
        let target = randomTensor([3, columns], seed: 1)
        let x = zip(target.array, randomTensor([3, columns], seed: 2).array).map {
            $0 + ($1 < 0 ? -0.2 : 0.2) + $1
        }
        LossCheck(
            input: Tensor(x, shape: target.shape), loss: { $0.l1Loss($1, target: target, scale: $2) },
            reference: { zip($0, target.doubles).reduce(0) { $0 + abs($1.0 - $1.1) } }
        ).run()
    }

    @Test func l1WithWeights() {
        let (offsets, weights) = (Offsets(counts: [2, 0, 3]), [0.5, 7, 1 / Float(3)])
        let target = randomTensor([5, 3], seed: 1)
        let x = zip(target.array, randomTensor([5, 3], seed: 2).array).map { $0 + ($1 < 0 ? -0.2 : 0.2) + $1 }
        LossCheck(
            input: Tensor(x, shape: target.shape),
            loss: { $0.l1Loss($1, target: target, weights: weights, offsets: offsets, scale: $2) },
            reference: { x in
                zip(x, target.doubles).enumerated().reduce(0) {
                    $0 + ($1.offset < 6 ? 0.5 : 1.0 / 3) * abs($1.element.0 - $1.element.1)
                }
            }
        ).run()
    }

    /// The gradient at zero difference is zero, as in PyTorch.
    @Test func l1OfEqualValues() {
        let x = Variable(leaf: randomTensor([2, 17], seed: 1))
        #expect(Tape().l1Loss(x, target: x.value, scale: 1) == 0)
        #expect(x.gradient?.array == [Float](repeating: 0, count: 34))
    }

    @Test(arguments: awkwardWidths) func mse(columns: Int) {
        let target = randomTensor([3, columns], seed: 1)
        LossCheck(
            input: randomTensor([3, columns], seed: 2), loss: { $0.mseLoss($1, target: target, scale: $2) },
            reference: { zip($0, target.doubles).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
        ).run()
    }

    /// A profile charges each loss under a name of its own.
    @Test func namesInAProfile() {
        let profile = OperationProfile()
        let tape = Tape(recording: false, profile: profile)
        let (x, zero) = (Variable(constant: Tensor(repeating: 1, shape: [2, 2])), Tensor(repeating: 0, shape: [2, 2]))
        _ = tape.l1Loss(x, target: zero, scale: 1)
        _ = tape.l1Loss(x, target: zero, weights: [1], offsets: Offsets(counts: [2]), scale: 1)
        _ = tape.mseLoss(x, target: zero, scale: 1)
        _ = tape.huberLoss(x, target: zero, delta: 1, scale: 1)
        _ = tape.gaussianNegativeLogLikelihood(x, target: Tensor(repeating: 0, shape: [2, 1]), scale: 1)
        _ = tape.normalNegativeLogLikelihood(x, scale: 1)
        let expected = [
            "L1 loss": 2, "squared error": 1, "Huber loss": 1, "Gaussian likelihood": 1, "likelihood of the flow": 1,
        ]
        #expect(profile.entries.mapValues(\.calls) == expected)
    }

    /// Differences on both sides of δ, but not at it.
    @Test(arguments: awkwardWidths) func huber(columns: Int) {
        let target = randomTensor([3, columns], seed: 1)
        LossCheck(
            input: randomTensor([3, columns], seed: 2),
            loss: { $0.huberLoss($1, target: target, delta: 0.7, scale: $2) },
            reference: {
                zip($0, target.doubles).reduce(0) { sum, pair in
                    let d = abs(pair.0 - pair.1)
                    return sum + (d <= Double(Float(0.7)) ? d * d / 2 : 0.7 * (d - 0.35))
                }
            }
        ).run()
    }

    @Test func gaussianLikelihood() {
        let target = randomTensor([9, 1], seed: 1)
        LossCheck(
            input: randomTensor([9, 2], seed: 2, deviation: 0.6),
            loss: { $0.gaussianNegativeLogLikelihood($1, target: target, scale: $2) },
            reference: { x in
                target.doubles.enumerated().reduce(0) { sum, item in
                    let (d, s) = (item.element - x[2 * item.offset], x[2 * item.offset + 1])
                    return sum + d * d / 2 / exp(2 * s) + s + log(2 * .pi) / 2
                }
            }
        ).run()
    }

    /// Widths are limited, and the gradient leads back.
    @Test func gaussianLikelihoodOfExtremeWidths() throws {
        let x = Variable(leaf: Tensor([0, -50, 0, 50], shape: [2, 2]))
        let loss = Tape().gaussianNegativeLogLikelihood(x, target: Tensor([1, 1], shape: [2, 1]), scale: 1)
        #expect(loss.isFinite)
        let gradient = try #require(x.gradient).array
        #expect(gradient.allSatisfy(\.isFinite) && gradient[1] < -1e5 && gradient[3] > 0.9)
    }

    /// A NaN in a prediction reaches loss and gradient.
    @Test func regressionLossesOfNaN() throws {
        for loss in ["huber", "gaussian"] {
            let x = Variable(leaf: Tensor([.nan, 0.5], shape: [1, 2]))
            let value =
                loss == "huber"
                ? Tape().huberLoss(x, target: Tensor([0, 0], shape: [1, 2]), delta: 1, scale: 1)
                : Tape().gaussianNegativeLogLikelihood(x, target: Tensor([0], shape: [1, 1]), scale: 1)
            #expect(value.isNaN && x.gradient?.array[0].isNaN == true, "\(loss)")
        }
    }

    /// Sums over many elements are in double precision.
    @Test func sumsOfManyElements() {
        let count = 300_001
        let ones = Tensor(repeating: 1.5, shape: [1, count])
        let zeros = Tensor(repeating: 0, shape: [1, count])
        let tape = Tape(recording: false)
        #expect(tape.l1Loss(Variable(constant: ones), target: zeros, scale: 1) == 1.5 * Double(count))
        #expect(tape.mseLoss(Variable(constant: ones), target: zeros, scale: 1) == 2.25 * Double(count))
        #expect(ones.sumOfSquares == 2.25 * Double(count))
    }
}

import Foundation
import Tensors
import Testing

@Suite struct FocalLossTests {
    private func focalReference(_ logits: [Double], _ target: [Bool], gamma: Double, weight: Double) -> Double {
        zip(logits, target).reduce(0) { sum, pair in
            let p = 1 / (1 + exp(pair.1 ? -pair.0 : pair.0))
            return sum - (pair.1 ? weight : 1) * pow(1 - p, gamma) * log(p)
        }
    }

    @Test(arguments: awkwardWidths) func focalLoss(count: Int) {
        let target = randomIndices(count, below: 2, seed: 3).map { $0 == 1 }
        for (gamma, weight) in [(0, 1), (2, 1), (3, 0.778), (0.5, 20)] {
            LossCheck(
                input: randomTensor([count], seed: 1, deviation: 2),
                loss: {
                    $0.focalLoss(
                        $1, target: target, gamma: Float(gamma), positiveWeight: Float(weight), scale: $2)
                },
                reference: { focalReference($0, target, gamma: gamma, weight: weight) }
            ).run()
        }
    }

    /// Certain predictions, correct and wrong, have finite and correct losses.
    @Test func focalLossOfCertainty() {
        let logits = Variable(leaf: Tensor([200, -200, 200, -200], shape: [4]))
        let loss = Tape().focalLoss(logits, target: [true, false, false, true], gamma: 0, scale: 1)
        #expect(abs(loss - 400) < 1e-3)
        #expect(zip(logits.gradient!.array, [0, 0, 1, -1] as [Float]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(Tape().focalLoss(Variable(leaf: Tensor(shape: [0])), target: [], gamma: 2, scale: 1) == 0)
    }
}

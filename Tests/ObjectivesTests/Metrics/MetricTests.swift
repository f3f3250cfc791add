import Foundation
import Objectives
import Tensors
import Testing

@Suite struct MetricTests {
    private func words(_ count: Int, below bound: Int, seed: UInt64) -> [Int] {
        var random = RandomSequence(RandomKey(seed: seed, stream: .order))
        return (0..<count).map { _ in random.below(bound) }
    }

    // MARK: Partitions

    @Test func equalAndTrivialPartitions() {
        #expect(adjustedRandIndex([], []) == 1)
        #expect(adjustedRandIndex([3], [7]) == 1)
        #expect(adjustedRandIndex([0, 0, 1], [5, 5, -2]) == 1)
        #expect(adjustedRandIndex([0, 1, 2], [2, 0, 1]) == 1)
        #expect(adjustedRandIndex([0, 0, 0], [1, 1, 1]) == 1)
        // One part against single items: no agreement beyond chance.
        #expect(adjustedRandIndex([0, 0, 0], [0, 1, 2]) == 0)
        // A perfect disagreement of four items is below chance.
        #expect(abs(adjustedRandIndex([0, 0, 1, 1], [0, 1, 0, 1]) + 0.5) < 1e-12)
    }

    /// The index of a partition is that of its decisions on pairs, whose connected components are the partition.
    @Test(arguments: 1...20) func pairsOfPartitions(seed: Int) {
        let count = 1 + seed
        let predicted = words(count, below: 4, seed: UInt64(seed))
        let truth = words(count, below: 3, seed: UInt64(100 + seed))
        let offsets = Offsets(counts: [count])
        let accepted = offsets.mapPairs { predicted[$0] == predicted[$1] }
        let right = offsets.mapPairs { truth[$0] == truth[$1] }
        #expect(abs(rawPairIndex(accepted, right) - adjustedRandIndex(predicted, truth)) < 1e-12)
        let components = connectedComponents(of: count, accepted: accepted)
        #expect(adjustedRandIndex(components, predicted) == 1)
    }

    /// A chain connects its ends even if their pair is not accepted, so that the two indices differ.
    @Test func components() {
        // 0–2, 2–3 and 1–4 of (01, 02, 03, 04, 12, 13, 14, 23, 24, 34).
        let accepted = [false, true, false, false, false, false, true, true, false, false]
        #expect(connectedComponents(of: 5, accepted: accepted) == [0, 1, 0, 0, 1])
        let truth = [0, 1, 0, 0, 1]
        let right = Offsets(counts: [5]).mapPairs { truth[$0] == truth[$1] }
        #expect(adjustedRandIndex([0, 1, 0, 0, 1], truth) == 1)
        #expect(rawPairIndex(accepted, right) < 1)
        #expect(connectedComponents(of: 0, accepted: []) == [])
        #expect(connectedComponents(of: 1, accepted: []) == [0])
        #expect(connectedComponents(of: 3, accepted: [false, false, false]) == [0, 1, 2])
        // Late pairs join earlier components: 0–1, 2–3, then 1–3.
        #expect(
            connectedComponents(of: 4, accepted: [true, false, false, false, true, true]) == [0, 0, 0, 0])
    }

    /// The expected index over all partitions, written out, is 0; a pair without others gives ±1.
    @Test func oneSidedIndexOverAllPartitions() {
        // All 15 partitions of four items, as restricted growth strings.
        var partitions: [[Int]] = [[0]]
        for _ in 1..<4 { partitions = partitions.flatMap { head in (0...head.max()! + 1).map { head + [$0] } } }
        #expect(partitions.count == 15)
        func pairs(_ parts: [Int]) -> [Bool] { Offsets(counts: [4]).mapPairs { parts[$0] == parts[$1] } }
        for truth in [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 0, 1]] {
            let indices = partitions.map { oneSidedRandIndex(pairs($0), pairs(truth), items: 4) }
            #expect(abs(indices.reduce(0, +)) < 1e-12 && indices.max() == 1)
        }
        #expect(oneSidedRandIndex([true], [true], items: 2) == 1)
        #expect(oneSidedRandIndex([true], [false], items: 2) == -1)
        #expect(oneSidedRandIndex([], [], items: 1).isNaN && oneSidedRandIndex([], [], items: 0).isNaN)
    }

    /// Ratios of Bell numbers, also of those that no floating-point number holds.
    @Test func bellNumbers() {
        let bell: [Double] = [1, 1, 2, 5, 15, 52, 203, 877, 4140, 21147, 115_975]
        for n in 1..<bell.count {
            #expect(abs(probabilityOfPair(inPartitionsOf: n) * bell[n] / bell[n - 1] - 1) < 1e-14)
        }
        // B(n) / B(n - 1) is close to n / W(n), with Lambert's W(1000) = 5.2496.
        #expect(abs(probabilityOfPair(inPartitionsOf: 1000) * 1000 / 5.2496 - 1) < 0.02)
    }

    // MARK: Two classes

    /// Scores with many ties, compared with the definitions pair by pair and threshold by threshold.
    @Test(arguments: 1...5) func binaryFiguresByDefinition(seed: Int) {
        let truth = words(200, below: 3, seed: UInt64(seed)).map { $0 == 0 }
        let noise = words(200, below: 12, seed: UInt64(50 + seed))
        let scores = zip(truth, noise).map { Float($1) / 4 + ($0 ? 0.5 : 0) }
        let metrics = BinaryMetrics(scores: scores, isSignal: truth)
        let signal = zip(scores, truth).filter(\.1).map(\.0)
        let background = zip(scores, truth).filter { !$0.1 }.map(\.0)
        var wins = 0.0
        for s in signal { for b in background { wins += s > b ? 1 : s == b ? 0.5 : 0 } }
        #expect(abs(metrics.areaUnderCurve - wins / Double(signal.count * background.count)) < 1e-12)
        func part(_ scores: [Float], _ accepts: (Float) -> Bool) -> Double {
            Double(scores.count(where: accepts)) / Double(scores.count)
        }
        var best = 0.0
        for threshold in Set(scores + [-1]) {
            #expect(metrics.signalEfficiency(above: threshold) == part(signal) { $0 > threshold })
            #expect(metrics.backgroundEfficiency(above: threshold) == part(background) { $0 > threshold })
            let kept = part(background) { $0 > threshold }
            if kept > 0 { best = max(best, part(signal) { $0 > threshold } / kept.squareRoot()) }
        }
        #expect(abs(metrics.maximumSignificanceImprovement() - best) < 1e-12)
        for efficiency in [0.3, 0.5, 0.99, 1] {
            let threshold = Set(scores).sorted().last { value in part(signal) { $0 >= value } >= efficiency }!
            let expected = 1 / part(background) { $0 >= threshold }
            #expect(abs(metrics.backgroundRejection(signalEfficiency: efficiency) - expected) < 1e-9)
        }
        for rejection in [0.5, 0.9, 0.99] {
            let threshold = background.sorted().first { value in
                part(background) { $0 > value } <= 1 - rejection + 1e-12
            }
            #expect(metrics.threshold(backgroundRejection: rejection) == threshold)
        }
    }

    /// Perfect, useless and reversed scores; figures are undefined without background.
    @Test func extremeScores() {
        let truth = [true, true, false, false, false]
        let perfect = BinaryMetrics(scores: [5, 4, 3, 2, 1], isSignal: truth)
        #expect(perfect.areaUnderCurve == 1)
        #expect(perfect.backgroundRejection(signalEfficiency: 0.99) == .infinity)
        #expect(abs(perfect.maximumSignificanceImprovement() - (3.0).squareRoot()) < 1e-12)
        #expect(perfect.maximumSignificanceImprovement(leastBackground: 3) == 1)
        #expect(perfect.maximumSignificanceImprovement(leastBackground: 4).isNaN)
        #expect(BinaryMetrics(scores: [1, 1, 1, 1, 1], isSignal: truth).areaUnderCurve == 0.5)
        #expect(BinaryMetrics(scores: [1, 2, 3, 4, 5], isSignal: truth).areaUnderCurve == 0)
        let alone = BinaryMetrics(scores: [1, 2], isSignal: [true, true])
        #expect(alone.areaUnderCurve.isNaN && alone.threshold(backgroundRejection: 0.9) == nil)
        #expect(alone.backgroundRejection(signalEfficiency: 0.5).isNaN)
        #expect(alone.significanceImprovement(backgroundRejection: 0.99).isNaN)
    }

    // MARK: Several classes

    @Test func severalClasses() {
        // Correct, wrong, correct as the first of equals; class 3 does not occur.
        let metrics = MulticlassMetrics(
            probabilities: [0.7, 0.1, 0.1, 0.1, 0.6, 0.2, 0.1, 0.1, 0.05, 0.05, 0.45, 0.45, 0, 1, 0, 0],
            classes: 4,
            labels: [0, 1, 2, 1])
        #expect(metrics.confusion == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
        #expect(metrics.accuracy == 0.75)
        #expect(abs(metrics.balancedAccuracy - (1 + 0.5 + 1) / 3) < 1e-12)
        #expect(abs(metrics.crossEntropies().mean() + (log(0.7) + log(0.2) + log(0.45)) / 4) < 1e-6)
        #expect(metrics.oneVersusRest(0).areaUnderCurve == 1)
        #expect(metrics.oneVersusRest(3).areaUnderCurve.isNaN)
        #expect(metrics.areasUnderCurve(Bootstrap(jets: 4)).mean.value == 1)
        #expect(metrics.oneVersusOne(signal: 1, background: 0).signalEfficiency(above: 0.2) == 1)
        #expect(metrics.oneVersusOne(signal: 1, background: 2).backgroundEfficiency(above: 0.2) == 0)
    }

    /// Jets whose probability rounds to 1 are ordered by the probabilities of the other classes.
    @Test func certainAnswers() {
        // Log-odds of 30, 25 and 20 for signal, and of 40, 22 and 17 for background.
        let logOdds = [30.0, 25, 20, 40, 22, 17]
        let isSignal = [true, true, true, false, false, false]
        let metrics = MulticlassMetrics(
            probabilities: logOdds.flatMap { [Float(exp(-$0)), 1, Float(exp(-$0 - 10))] }, classes: 3,
            labels: isSignal.map { $0 ? 1 : 0 })
        let expected = BinaryMetrics(scores: logOdds.map { Float($0) }, isSignal: isSignal)
        for found in [metrics.oneVersusOne(signal: 1, background: 0), metrics.oneVersusRest(1)] {
            #expect(found.areaUnderCurve == expected.areaUnderCurve && found.areaUnderCurve == 5.0 / 9)
            for efficiency in [0.3, 0.6, 1] {
                #expect(
                    found.backgroundRejection(signalEfficiency: efficiency)
                        == expected.backgroundRejection(signalEfficiency: efficiency))
            }
        }
        // A probability of 0 has finite odds.
        let impossible = MulticlassMetrics(probabilities: [0, 1, 1, 0, 0, 0], classes: 2, labels: [1, 0, 1])
        #expect(impossible.oneVersusOne(signal: 1, background: 0).areaUnderCurve == 1)
        #expect(impossible.oneVersusRest(1).areaUnderCurve == 1)
    }

    /// A probability of zero for the true class leaves the cross-entropy finite.
    @Test func impossibleAnswers() {
        let metrics = MulticlassMetrics(probabilities: [1, 0, 1, 0], classes: 2, labels: [1, 0])
        let entropy = metrics.crossEntropies().mean()
        #expect(entropy.isFinite && entropy > 40)
        let nothing = MulticlassMetrics(probabilities: [], classes: 2, labels: [])
        #expect(nothing.accuracy.isNaN && nothing.balancedAccuracy.isNaN)
        #expect(nothing.areasUnderCurve(Bootstrap(jets: 0)).mean.value.isNaN)
    }

    // MARK: Numbers

    /// Against NumPy's quantiles of 0 … 100 and its mean.
    @Test func regression() {
        let target = (0...100).map { _ in Float(50) }
        let metrics = RegressionMetrics(predicted: (0...100).map { Float(100 - $0) }, target: target)
        #expect(metrics.count == 101 && metrics.bias == 0 && metrics.response == 1)
        #expect(abs(metrics.resolution - (84.1345 - 15.8655) / 2) < 1e-4)
        #expect(abs(metrics.responseResolution - metrics.resolution / 50) < 1e-5)
        #expect(abs(metrics.rootMeanSquare - 850.0.squareRoot()) < 1e-9)
        let shifted = RegressionMetrics(predicted: [3, 5, 9], target: [1, 2, 6])
        #expect(abs(shifted.bias - 8.0 / 3) < 1e-12 && shifted.response == 2.5)
    }

    /// A response needs a positive truth; nothing has no figures.
    @Test func regressionWithoutPositiveTruth() {
        let metrics = RegressionMetrics(predicted: [1, 4], target: [0, 2])
        #expect(metrics.bias == 1.5 && metrics.response == 2)
        let zeros = RegressionMetrics(predicted: [1], target: [0])
        #expect(zeros.bias == 1 && zeros.response.isNaN && zeros.responseResolution.isNaN && zeros.resolution == 0)
        let nothing = RegressionMetrics(predicted: [], target: [])
        #expect(nothing.bias.isNaN && nothing.resolution.isNaN && nothing.response.isNaN)
    }
}

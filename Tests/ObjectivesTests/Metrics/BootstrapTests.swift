import Foundation
import Objectives
import Tensors
import Testing

/// Errors from resampling, compared with formulas where they exist.
@Suite struct BootstrapTests {
    private func uniform(_ count: Int, seed: UInt64) -> [Float] {
        var random = RandomSequence(RandomKey(seed: seed, stream: .order))
        return (0..<count).map { _ in random.uniform() }
    }

    /// Mean and variance of a Poisson distribution of mean 1, and other numbers in every resampling.
    @Test func countsHaveAPoissonDistribution() {
        let bootstrap = Bootstrap(jets: 20_001)
        let all = (0..<10).map { bootstrap.counts($0) }
        #expect(all.allSatisfy { $0.count == 20_001 } && Set(all).count == 10)
        let numbers = all.joined().map { Double($0) }
        let mean = numbers.reduce(0, +) / Double(numbers.count)
        let variance = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(numbers.count)
        #expect(abs(mean - 1) < 0.01 && abs(variance - 1) < 0.02)
        #expect(abs(Double(numbers.count { $0 == 0 }) / Double(numbers.count) - exp(-1)) < 0.005)
        // Those of the first jets do not depend on how many follow.
        #expect(Array(all[3].prefix(13)) == Bootstrap(jets: 13).counts(3))
        #expect(Bootstrap(jets: 0).counts(5) == [])
    }

    @Test func errorsAgreeWithFormulas() throws {
        let jets = 4000
        let (values, bootstrap) = (uniform(jets, seed: 1), Bootstrap(jets: jets))
        var (mean, fraction) = (MeanOverJets(), MeanOverJets())
        for (jet, value) in values.enumerated() {
            mean.add(Double(value), jet: jet)
            fraction.add(value < 0.2 ? 1 : 0, jet: jet)
        }
        let found = bootstrap.measures(["mean", "fraction"]) { [mean.mean($0), fraction.mean($0)] }
        #expect(found.map(\.name) == ["mean", "fraction"] && found[0].value == mean.mean())
        // The standard error of a mean, and that of a binomial distribution; the bootstrap knows them to 7 %.
        let expected = (1 / 12.0 / Double(jets)).squareRoot()
        #expect(try abs(#require(found[0].error) / expected - 1) < 0.25)
        let binomial = try #require(Measure("fraction", fraction: found[1].value, of: jets).error)
        #expect(try abs(#require(found[1].error) / binomial - 1) < 0.25)
        #expect(abs(binomial - (0.16 / Double(jets)).squareRoot()) < 0.05 * binomial)
        #expect(Measure("none", fraction: .nan, of: 0).error == nil)
    }

    /// Items of a jet occur together: ten equal items a jet have the error of single ones.
    @Test func itemsOfAJetAreNotIndependent() throws {
        let (jets, values) = (500, uniform(500, seed: 2))
        var (single, ten) = (MeanOverJets(), MeanOverJets())
        for (jet, value) in values.enumerated() {
            single.add(Double(value), jet: jet)
            for _ in 0..<10 { ten.add(Double(value), jet: jet) }
        }
        let found = Bootstrap(jets: jets).measures(["single", "ten"]) { [single.mean($0), ten.mean($0)] }
        #expect(try abs(#require(found[0].error) - #require(found[1].error)) < 1e-12)
    }

    /// A resampling has the figures of the jets that it contains.
    @Test func resampledFigures() {
        let scores = uniform(300, seed: 3)
        let labels = uniform(300, seed: 4).map { $0 < 0.4 }
        let counts = Bootstrap(jets: 300).counts(7)
        let jets = counts.indices.flatMap { repeatElement($0, count: Int(counts[$0])) }
        let again = BinaryMetrics(scores: jets.map { scores[$0] }, isSignal: jets.map { labels[$0] })
        let resampled = BinaryMetrics(scores: scores, isSignal: labels).resampled(counts)
        #expect(resampled.areaUnderCurve == again.areaUnderCurve)
        #expect(
            resampled.backgroundRejection(signalEfficiency: 0.5) == again.backgroundRejection(signalEfficiency: 0.5))
        #expect(resampled.maximumSignificanceImprovement() == again.maximumSignificanceImprovement())

        let classes = labels.map { $0 ? 1 : 0 }
        let probabilities = scores.flatMap { [1 - $0, $0] }
        func multiclass(_ jets: [Int]) -> MulticlassMetrics {
            MulticlassMetrics(
                probabilities: jets.flatMap { probabilities[2 * $0..<2 * $0 + 2] }, classes: 2,
                labels: jets.map { classes[$0] })
        }
        let (all, some) = (multiclass(Array(0..<300)), multiclass(jets))
        #expect(all.accuracies(counts).accuracy == some.accuracy)
        #expect(all.accuracies(counts).balanced == some.balancedAccuracy)
        #expect(abs(all.crossEntropies().mean(counts) - some.crossEntropies().mean()) < 1e-12)
        let areas = all.areasUnderCurve(Bootstrap(jets: 300))
        #expect(areas.classes.map(\.value) == (0..<2).map { all.oneVersusRest($0).areaUnderCurve })
        #expect(areas.mean.value == areas.classes.reduce(0) { $0 + $1.value } / 2)
        #expect(areas.mean.error == areas.classes[0].error && areas.mean.error! > 0.01 && areas.mean.error! < 0.1)
    }

    /// Without a background jet above the threshold in some resampling, a rejection has no error.
    @Test func undefinedErrors() {
        #expect(Bootstrap.error([1, 2, 3]) == 1 && Bootstrap.error([1, .infinity]) == nil)
        #expect(Bootstrap.error([1, .nan]) == nil && Bootstrap.error([1]) == nil)
        #expect(Bootstrap.error([0.1, 0.1.nextUp, 0.1]) == 0)
        let perfect = BinaryMetrics(scores: [3, 2, 1, 0], isSignal: [true, true, false, false])
        let found = Bootstrap(jets: 4).measures(["rejection"]) { counts in
            [(counts.map { perfect.resampled($0) } ?? perfect).backgroundRejection(signalEfficiency: 0.5)]
        }
        #expect(found[0].value == .infinity && found[0].error == nil)
    }

    /// Label smoothing and weights of the classes, as in the loss.
    @Test func smoothedCrossEntropies() {
        let metrics = MulticlassMetrics(probabilities: [0.7, 0.2, 0.1, 0.3, 0.3, 0.4], classes: 3, labels: [0, 2])
        let sums = [-log(0.7), -log(0.2), -log(0.1), -log(0.3), -log(0.3), -log(0.4)]
        let smooth = 0.9 * (sums[0] + sums[5]) + 0.1 / 3 * sums.reduce(0, +)
        #expect(abs(metrics.crossEntropies(smoothing: 0.1).mean() - smooth / 2) < 1e-6)
        let weighted = metrics.crossEntropies(classWeights: [2, 1, 3]).mean()
        #expect(abs(weighted - (2 * sums[0] + 3 * sums[5]) / 5) < 1e-6)
    }
}

import Foundation
import Golden
import Objectives
import Tensors
import Testing

@Suite("Golden metrics")
struct GoldenMetricTests {
    private func expect(_ actual: Double, _ key: String, in file: GoldenFile) throws {
        let error = try relativeError([Float(actual)], file.floats(key))
        #expect(error <= 1e-6, "\(key) is off by \(error)")
    }

    @Test func adjustedRandIndices() throws {
        let file = try GoldenFile("adjusted_rand_index")
        let (predicted, truth) = try (file.integers("in.predicted"), file.integers("in.truth"))
        let offsets = try file.offsets()
        let indices = (0..<offsets.jets).map { adjustedRandIndex(predicted[offsets[$0]], truth[offsets[$0]]) }
        for (jet, expected) in try file.floats("out.ari").enumerated() {
            #expect(abs(indices[jet] - Double(expected)) <= 1e-6, "jet \(jet)")
        }
    }

    @Test func oneSidedRandIndices() throws {
        let file = try GoldenFile("adjusted_rand_index_one_sided")
        let (logits, vertices) = try (file.floats("in.logits"), file.integers("in.vertex"))
        let (index, ofComponents) = try (file.floats("out.ari"), file.floats("out.ari_components"))
        let (components, defined) = try (file.integers("out.components"), file.integers("out.defined"))
        let offsets = try file.offsets()
        var pair = 0
        for jet in 0..<offsets.jets {
            let (tokens, count) = (offsets[jet], offsets[jet].count)
            let pairs = pair..<pair + count * (count - 1) / 2
            pair = pairs.upperBound
            func together(_ parts: [Int]) -> [Bool] {
                Offsets(counts: [count]).mapPairs { parts[tokens.lowerBound + $0] == parts[tokens.lowerBound + $1] }
            }
            let (accepted, truth) = (logits[pairs].map { $0 > 0 }, together(vertices))
            let found = connectedComponents(of: count, accepted: accepted)
            #expect(Offsets(counts: [count]).mapPairs { found[$0] == found[$1] } == together(components))
            let value = oneSidedRandIndex(accepted, truth, items: count)
            let componentsValue = oneSidedRandIndex(together(components), truth, items: count)
            guard defined[jet] == 1 else {
                #expect(value.isNaN && componentsValue.isNaN, "jet \(jet)")
                continue
            }
            #expect(abs(value - Double(index[jet])) <= 1e-6, "jet \(jet)")
            #expect(abs(componentsValue - Double(ofComponents[jet])) <= 1e-6, "jet \(jet)")
        }
        #expect(pair == logits.count)
    }

    @Test func binary() throws {
        let file = try GoldenFile("binary_metrics")
        let metrics = BinaryMetrics(
            scores: try file.floats("in.score"), isSignal: try file.integers("in.label").map { $0 == 1 })
        try expect(metrics.areaUnderCurve, "out.auc", in: file)
        // The scores are logits: a probability of 0.5 is a score of 0.
        try expect(metrics.significanceImprovement(above: 0), "out.sic_half", in: file)
        try expect(metrics.significanceImprovement(backgroundRejection: 0.99), "out.sic_99", in: file)
        let threshold = try #require(metrics.threshold(backgroundRejection: 0.99))
        try expect(metrics.signalEfficiency(above: threshold), "out.signal_efficiency_99", in: file)
        try expect(metrics.backgroundEfficiency(above: threshold), "out.background_efficiency_99", in: file)
    }

    @Test func multiclass() throws {
        let file = try GoldenFile("multiclass_metrics")
        let logits = try file.tensor("in.logits")
        let metrics = MulticlassMetrics(
            probabilities: logits.softmaxOfRows().array, classes: logits.columns,
            labels: try file.integers("in.label"))
        try expect(metrics.accuracy, "out.accuracy", in: file)
        try expect(metrics.balancedAccuracy, "out.balanced_accuracy", in: file)
        try expect(metrics.crossEntropies().mean(), "out.cross_entropy", in: file)
        #expect(try metrics.confusion.flatMap { $0 } == file.integers("out.confusion"))
    }
}

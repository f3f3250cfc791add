import Foundation
import Golden
import Objectives
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
        try expect(metrics.crossEntropy, "out.cross_entropy", in: file)
        #expect(try metrics.confusion.flatMap { $0 } == file.integers("out.confusion"))
    }
}

import Foundation
import System

/// Figures of merit of the predicted probabilities of several classes.
///
/// Figures without jets, or of a class without jets, are NaN.
package struct MulticlassMetrics: Sendable {
    private let probabilities: [Float]
    private let labels: [Int]
    /// Number of classes.
    package let classes: Int
    /// Number of jets by true class (row) and predicted class (column).
    package let confusion: [[Int]]

    /// - Parameters:
    ///   - probabilities: `[jets, classes]` in row-major order.
    ///   - labels: the true class of every jet.
    package init(probabilities: [Float], classes: Int, labels: [Int]) {
        invariant(
            probabilities.count == labels.count * classes,
            "\(probabilities.count) probabilities for \(labels.count) jets and \(classes) classes")
        invariant(labels.allSatisfy { $0 >= 0 && $0 < classes }, "a label is outside 0..<\(classes)")
        (self.probabilities, self.labels, self.classes) = (probabilities, labels, classes)
        var confusion = [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes)
        for (jet, label) in labels.enumerated() {
            let first = jet * classes
            let best = (0..<classes).reduce(0) {
                probabilities[first + $1] > probabilities[first + $0] ? $1 : $0
            }
            confusion[label][best] += 1
        }
        self.confusion = confusion
    }

    /// Fraction of jets whose most likely class (the first of equals) is the true one.
    package var accuracy: Double {
        Double((0..<classes).reduce(0) { $0 + confusion[$1][$1] }) / Double(labels.count)
    }

    /// Mean recall over the classes that occur.
    package var balancedAccuracy: Double {
        let recalls = (0..<classes).compactMap { label -> Double? in
            let jets = confusion[label].reduce(0, +)
            return jets == 0 ? nil : Double(confusion[label][label]) / Double(jets)
        }
        return recalls.reduce(0, +) / Double(recalls.count)
    }

    /// Mean of −ln p of the true class; p is at least the smallest normal number, so that the mean stays finite.
    package var crossEntropy: Double {
        let sum = labels.enumerated().reduce(0.0) { sum, jet in
            let p = probabilities[jet.offset * classes + jet.element]
            return sum - log(Double(p < .leastNormalMagnitude ? .leastNormalMagnitude : p))
        }
        return sum / Double(labels.count)
    }

    /// Metrics of one class against all others, with its probability as the score.
    package func oneVersusRest(_ label: Int) -> BinaryMetrics {
        BinaryMetrics(
            scores: labels.indices.map { probabilities[$0 * classes + label] },
            isSignal: labels.map { $0 == label })
    }

    /// Metrics of one class against another, with the score p(signal) / (p(signal) + p(background)); jets of other
    /// classes are left out.
    package func oneVersusOne(signal: Int, background: Int) -> BinaryMetrics {
        let jets = labels.indices.filter { labels[$0] == signal || labels[$0] == background }
        return BinaryMetrics(
            scores: jets.map { jet in
                let (s, b) = (probabilities[jet * classes + signal], probabilities[jet * classes + background])
                return s + b > 0 ? s / (s + b) : 0
            }, isSignal: jets.map { labels[$0] == signal })
    }

    /// Mean area under the curve of each class against the rest, over the classes for which it is defined.
    package var meanAreaUnderCurve: Double {
        let areas = (0..<classes).map { oneVersusRest($0).areaUnderCurve }.filter { !$0.isNaN }
        return areas.reduce(0, +) / Double(areas.count)
    }
}

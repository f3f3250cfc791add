import Foundation
import System

/// How well probabilities of several classes answer for labels.
///
/// Figures over nothing, of no jets or of a class that has none, are not a number.
package struct MulticlassMetrics: Sendable {
    private let probabilities: [Float]
    private let labels: [Int]
    /// The number of classes.
    package let classes: Int
    /// Jets of a class (row) that were taken for another (column).
    package let confusion: [[Int]]

    /// - Parameters:
    ///   - probabilities: one for each jet and class, the classes of a jet side by side.
    ///   - labels: the class of every jet.
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

    /// The part of the jets whose likeliest class, the first of equals, is the right one.
    package var accuracy: Double {
        Double((0..<classes).reduce(0) { $0 + confusion[$1][$1] }) / Double(labels.count)
    }

    /// The mean over the classes that occur of the part of their jets that are recognised.
    package var balancedAccuracy: Double {
        let recalls = (0..<classes).compactMap { label -> Double? in
            let jets = confusion[label].reduce(0, +)
            return jets == 0 ? nil : Double(confusion[label][label]) / Double(jets)
        }
        return recalls.reduce(0, +) / Double(recalls.count)
    }

    /// The mean of −ln p of the right class; a probability of zero counts as the smallest there is, so that
    /// one jet cannot make all of it infinite.
    package var crossEntropy: Double {
        let sum = labels.enumerated().reduce(0.0) { sum, jet in
            let p = probabilities[jet.offset * classes + jet.element]
            return sum - log(Double(p < .leastNormalMagnitude ? .leastNormalMagnitude : p))
        }
        return sum / Double(labels.count)
    }

    /// The probability of a class as a score for it against all others.
    package func oneVersusRest(_ label: Int) -> BinaryMetrics {
        BinaryMetrics(
            scores: labels.indices.map { probabilities[$0 * classes + label] },
            isSignal: labels.map { $0 == label })
    }

    /// p(signal) / (p(signal) + p(background)) as a score for jets of two of the classes; the others are left
    /// out.
    package func oneVersusOne(signal: Int, background: Int) -> BinaryMetrics {
        let jets = labels.indices.filter { labels[$0] == signal || labels[$0] == background }
        return BinaryMetrics(
            scores: jets.map { jet in
                let (s, b) = (
                    probabilities[jet * classes + signal], probabilities[jet * classes + background]
                )
                return s + b > 0 ? s / (s + b) : 0
            }, isSignal: jets.map { labels[$0] == signal })
    }

    /// The mean over the classes that occur, but are not all, of the area under the curve of each against the
    /// rest.
    package var meanAreaUnderCurve: Double {
        let areas = (0..<classes).map { oneVersusRest($0).areaUnderCurve }.filter { !$0.isNaN }
        return areas.reduce(0, +) / Double(areas.count)
    }
}

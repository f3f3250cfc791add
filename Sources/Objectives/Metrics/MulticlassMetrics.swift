import Foundation
import System

/// Figures of merit of the predicted probabilities of several classes.
///
/// Figures without jets, or of a class without jets, are NaN.
package struct MulticlassMetrics: Sendable {
    private let probabilities: [Float]
    private let labels: [Int]
    /// The jet of each item; nil for its position.
    private let jets: [Int32]?
    /// The predicted class of each item.
    private let predictedClasses: [Int32]
    /// Number of classes.
    package let classes: Int
    /// Number of jets by true class (row) and predicted class (column).
    package let confusion: [[Int]]

    /// - Parameters:
    ///   - probabilities: `[jets, classes]` in row-major order.
    ///   - labels: the true class of every jet.
    ///   - jets: for items other than jets, the jet of each, for resamplings.
    package init(probabilities: [Float], classes: Int, labels: [Int], jets: [Int32]? = nil) {
        invariant(
            probabilities.count == labels.count * classes,
            "\(probabilities.count) probabilities for \(labels.count) jets and \(classes) classes")
        invariant(labels.allSatisfy { $0 >= 0 && $0 < classes }, "a label is outside 0..<\(classes)")
        (self.probabilities, self.labels, self.classes, self.jets) = (probabilities, labels, classes, jets)
        var predictedClasses: [Int32] = []
        predictedClasses.reserveCapacity(labels.count)
        var confusion = [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes)
        for (jet, label) in labels.enumerated() {
            let first = jet * classes
            let best = (0..<classes).reduce(0) {
                probabilities[first + $1] > probabilities[first + $0] ? $1 : $0
            }
            confusion[label][best] += 1
            predictedClasses.append(Int32(best))
        }
        self.predictedClasses = predictedClasses
        self.confusion = confusion
    }

    /// Fraction of jets whose most likely class (the first of equals) is the true one.
    package var accuracy: Double {
        Double((0..<classes).reduce(0) { $0 + confusion[$1][$1] }) / Double(labels.count)
    }

    /// Mean recall over the classes that occur.
    package var balancedAccuracy: Double {
        Self.balancedAccuracy((0..<classes).map { (confusion[$0][$0], confusion[$0].reduce(0, +)) })
    }

    /// - Parameter classes: the numbers of right answers and of jets of each class.
    private static func balancedAccuracy(_ classes: [(right: Int, all: Int)]) -> Double {
        let recalls = classes.compactMap { $0.all == 0 ? nil : Double($0.right) / Double($0.all) }
        return recalls.reduce(0, +) / Double(recalls.count)
    }

    /// Accuracy and balanced accuracy if each jet occurs a number of times.
    package func accuracies(_ counts: [UInt8]) -> (accuracy: Double, balanced: Double) {
        var classes = [(right: Int, all: Int)](repeating: (0, 0), count: classes)
        for (item, label) in labels.enumerated() {
            let times = Int(counts[jets.map { Int($0[item]) } ?? item])
            classes[label].all += times
            if Int(predictedClasses[item]) == label { classes[label].right += times }
        }
        let (right, all) = classes.reduce((0, 0)) { ($0.0 + $1.right, $0.1 + $1.all) }
        return (Double(right) / Double(all), Self.balancedAccuracy(classes))
    }

    /// Cross-entropies of the items with label smoothing ε and weights w of the classes, as `Tape.crossEntropy` defines
    /// them: (1 − ε) w[t] (−ln p[t]) + ε/K Σ_k w[k] (−ln p[k]), with the weight w[t] in the mean; p is at least the
    /// smallest normal number, so that the mean stays finite.
    package func crossEntropies(smoothing: Double = 0, classWeights: [Double]? = nil) -> MeanOverJets {
        func surprisal(_ item: Int, _ label: Int) -> Double {
            let p = probabilities[item * classes + label]
            return (classWeights?[label] ?? 1) * -log(Double(p < .leastNormalMagnitude ? .leastNormalMagnitude : p))
        }
        var mean = MeanOverJets()
        for (item, label) in labels.enumerated() {
            var loss = (1 - smoothing) * surprisal(item, label)
            if smoothing > 0 {
                loss += smoothing / Double(classes) * (0..<classes).reduce(0) { $0 + surprisal(item, $1) }
            }
            mean.add(loss, weight: classWeights?[label] ?? 1, jet: jets.map { Int($0[item]) } ?? item)
        }
        return mean
    }

    /// Metrics of one class against all others, with the score p / Σ p of the others.
    package func oneVersusRest(_ label: Int) -> BinaryMetrics {
        BinaryMetrics(
            scores: labels.indices.map { item in
                let others = (0..<classes).reduce(Float(0)) {
                    $1 == label ? $0 : $0 + probabilities[item * classes + $1]
                }
                return Self.odds(probabilities[item * classes + label], others)
            },
            isSignal: labels.map { $0 == label }, jets: jets)
    }

    /// Metrics of one class against another, with the score p(signal) / p(background); jets of other classes are left
    /// out.
    package func oneVersusOne(signal: Int, background: Int) -> BinaryMetrics {
        let items = labels.indices.filter { labels[$0] == signal || labels[$0] == background }
        return BinaryMetrics(
            scores: items.map {
                Self.odds(probabilities[$0 * classes + signal], probabilities[$0 * classes + background])
            },
            isSignal: items.map { labels[$0] == signal }, jets: items.map { jets?[$0] ?? Int32($0) })
    }

    /// s / b, with both at least the smallest normal number: in the order of s / (s + b), which rounds to 1 from odds
    /// of 2²⁴ on.
    private static func odds(_ s: Float, _ b: Float) -> Float {
        max(s, .leastNormalMagnitude) / max(b, .leastNormalMagnitude)
    }

    /// Mean area under the curve of each class against the rest, over the classes for which it is defined, and the
    /// areas of the classes, with errors.
    package func areasUnderCurve(_ bootstrap: Bootstrap) -> (mean: Measure, classes: [Measure]) {
        var (classMeasures, values, replicas) = ([Measure](), [Double](), [[Double]]())
        // One class after the other, since all sorted scores at once would need much memory.
        for label in 0..<classes {
            let metrics = oneVersusRest(label)
            let value = metrics.areaUnderCurve
            let found = bootstrap.replicas { metrics.resampled($0).areaUnderCurve }
            classMeasures.append(Measure("auc", value, error: Bootstrap.error(found)))
            guard !value.isNaN else { continue }
            values.append(value)
            replicas.append(found)
        }
        let means = (0..<Bootstrap.resamplings).map { number in Self.mean(replicas.map { $0[number] }) }
        return (Measure("auc", Self.mean(values), error: Bootstrap.error(means)), classMeasures)
    }

    private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
}

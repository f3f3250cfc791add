import System

/// How well scores tell signal from background.
///
/// A threshold accepts the scores above it. Figures that have no signal or no background to speak of are not
/// a number.
package struct BinaryMetrics: Sendable {
    /// The scores of either kind, rising.
    private let signal: [Float]
    private let background: [Float]

    /// - Parameters:
    ///   - scores: one for each jet, higher for signal.
    ///   - isSignal: the truth.
    package init(scores: [Float], isSignal: [Bool]) {
        invariant(scores.count == isSignal.count, "\(scores.count) scores for \(isSignal.count) jets")
        signal = zip(scores, isSignal).filter(\.1).map(\.0).sorted()
        background = zip(scores, isSignal).filter { !$0.1 }.map(\.0).sorted()
    }

    /// The area under the curve of signal efficiency against background efficiency: the probability that a
    /// signal scores higher than a background, where a tie counts half.
    package var areaUnderCurve: Double {
        var (below, level, twice) = (0, 0, 0)
        for score in signal {
            while below < background.count, background[below] < score { below += 1 }
            level = max(level, below)
            while level < background.count, background[level] == score { level += 1 }
            twice += below + level
        }
        return Double(twice) / 2 / Double(signal.count) / Double(background.count)
    }

    /// ε_S: the part of the signal above a threshold.
    package func signalEfficiency(above threshold: Float) -> Double { Self.part(of: signal, above: threshold) }

    /// ε_B: the part of the background above a threshold.
    package func backgroundEfficiency(above threshold: Float) -> Double {
        Self.part(of: background, above: threshold)
    }

    /// The threshold that rejects a part of the background: the smallest background score with at most 1 −
    /// rejection of the background above it; nil without background.
    package func threshold(backgroundRejection rejection: Double) -> Float? {
        let allowed = Int((Double(background.count) * (1 - rejection) + 1e-9).rounded(.down))
        guard allowed < background.count else { return background.first }
        return background[background.count - 1 - allowed]
    }

    /// 1/ε_B where the signal efficiency first reaches a value as the threshold falls, all scores from the
    /// threshold on accepted; infinite when no background is left.
    package func backgroundRejection(signalEfficiency: Double) -> Double {
        guard !signal.isEmpty, !background.isEmpty else { return .nan }
        let wanted = Int((Double(signal.count) * signalEfficiency - 1e-9).rounded(.up))
        let threshold = signal[signal.count - min(signal.count, max(1, wanted))]
        let accepted = background.count - Self.firstPlace(in: background) { $0 >= threshold }
        return Double(background.count) / Double(accepted)
    }

    /// ε_S / √ε_B above a threshold: by how much a cut improves the significance of a signal.
    package func significanceImprovement(above threshold: Float) -> Double {
        signalEfficiency(above: threshold) / backgroundEfficiency(above: threshold).squareRoot()
    }

    /// The significance improvement where a part of the background is rejected.
    package func significanceImprovement(backgroundRejection rejection: Double) -> Double {
        threshold(backgroundRejection: rejection).map { significanceImprovement(above: $0) } ?? .nan
    }

    /// The largest significance improvement of all thresholds.
    ///
    /// - Parameter leastBackground: how many background jets a threshold has to accept: a few that remain by
    ///   chance make a large improvement that means nothing.
    package func maximumSignificanceImprovement(leastBackground: Int = 1) -> Double {
        invariant(leastBackground >= 1, "without background every cut is perfect")
        var best = Double.nan
        var kept = 0
        // Between two neighbouring background scores the best threshold is the lower of them.
        for place in stride(from: background.count - 1, through: -1, by: -1) {
            if place >= 0, kept > 0, background[place] == background[place + 1] {
                kept += 1
                continue
            }
            if kept >= leastBackground {
                let threshold = place >= 0 ? background[place] : -Float.infinity
                let improvement =
                    signalEfficiency(above: threshold)
                    / (Double(kept) / Double(background.count)).squareRoot()
                best = best >= improvement ? best : improvement
            }
            kept += 1
        }
        return best
    }

    private static func part(of scores: [Float], above threshold: Float) -> Double {
        Double(scores.count - firstPlace(in: scores) { $0 > threshold }) / Double(scores.count)
    }

    /// The first place of rising scores where a condition holds, which then holds for all that follow.
    private static func firstPlace(in scores: [Float], where condition: (Float) -> Bool) -> Int {
        var (low, high) = (0, scores.count)
        while low < high {
            let middle = (low + high) / 2
            if condition(scores[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

import System

/// Figures of merit of scores that separate signal from background.
///
/// A threshold accepts the scores above it. Figures that are undefined without signal or background are NaN.
package struct BinaryMetrics: Sendable {
    /// Scores of signal and background in ascending order.
    private let signal: [Float]
    private let background: [Float]
    /// The same with their jets; nil after a resampling.
    private let samples: (signal: SortedValues, background: SortedValues)?

    /// - Parameters:
    ///   - scores: one for each jet, higher for signal.
    ///   - isSignal: the true class of each jet.
    ///   - jets: the jet of each score, for `resampled`; nil for its position.
    package init(scores: [Float], isSignal: [Bool], jets: [Int32]? = nil) {
        invariant(scores.count == isSignal.count, "\(scores.count) scores for \(isSignal.count) jets")
        func sample(_ wanted: Bool) -> SortedValues {
            let places = scores.indices.filter { isSignal[$0] == wanted }
            return SortedValues(places.map { scores[$0] }, jets: places.map { jets?[$0] ?? Int32($0) })
        }
        let found = (signal: sample(true), background: sample(false))
        (signal, background, samples) = (found.signal.values, found.background.values, found)
    }

    private init(signal: [Float], background: [Float]) {
        (self.signal, self.background, samples) = (signal, background, nil)
    }

    /// The figures if each jet occurs a number of times.
    package func resampled(_ counts: [UInt8]) -> BinaryMetrics {
        guard let samples else { unreachable("a resampling is resampled") }
        return BinaryMetrics(
            signal: samples.signal.resampled(counts), background: samples.background.resampled(counts))
    }

    /// Area under the curve of signal efficiency against background efficiency: the probability that a signal jet has a
    /// higher score than a background jet, where a tie counts half.
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

    /// ε_S: the fraction of signal above a threshold.
    package func signalEfficiency(above threshold: Float) -> Double { Self.fraction(of: signal, above: threshold) }

    /// ε_B: the fraction of background above a threshold.
    package func backgroundEfficiency(above threshold: Float) -> Double {
        Self.fraction(of: background, above: threshold)
    }

    /// The threshold of a background rejection: the smallest background score with at most the fraction 1 − rejection
    /// of the background above it; nil without background.
    package func threshold(backgroundRejection rejection: Double) -> Float? {
        let allowed = Int((Double(background.count) * (1 - rejection) + 1e-9).rounded(.down))
        guard allowed < background.count else { return background.first }
        return background[background.count - 1 - allowed]
    }

    /// 1/ε_B at the highest threshold that reaches a signal efficiency, with scores equal to the threshold accepted;
    /// infinite if no background is left.
    package func backgroundRejection(signalEfficiency: Double) -> Double {
        guard !signal.isEmpty, !background.isEmpty else { return .nan }
        let wanted = Int((Double(signal.count) * signalEfficiency - 1e-9).rounded(.up))
        let threshold = signal[signal.count - min(signal.count, max(1, wanted))]
        let accepted = background.count - Self.firstPlace(in: background) { $0 >= threshold }
        return Double(background.count) / Double(accepted)
    }

    /// Significance improvement ε_S / √ε_B of a threshold.
    package func significanceImprovement(above threshold: Float) -> Double {
        signalEfficiency(above: threshold) / backgroundEfficiency(above: threshold).squareRoot()
    }

    /// Significance improvement at a background rejection.
    package func significanceImprovement(backgroundRejection rejection: Double) -> Double {
        threshold(backgroundRejection: rejection).map { significanceImprovement(above: $0) } ?? .nan
    }

    /// Largest significance improvement of all thresholds.
    ///
    /// - Parameter leastBackground: smallest number of background jets that a threshold must accept; with fewer, the
    ///   improvement is dominated by statistical fluctuations.
    package func maximumSignificanceImprovement(leastBackground: Int = 1) -> Double {
        invariant(leastBackground >= 1, "the significance improvement needs background")
        var best = Double.nan
        var kept = 0
        // Between two neighbouring background scores the best threshold is the lower one.
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

    private static func fraction(of scores: [Float], above threshold: Float) -> Double {
        Double(scores.count - firstPlace(in: scores) { $0 > threshold }) / Double(scores.count)
    }

    /// First index of ascending scores at which a condition holds, given that it holds for all that follow.
    private static func firstPlace(in scores: [Float], where condition: (Float) -> Bool) -> Int {
        var (low, high) = (0, scores.count)
        while low < high {
            let middle = (low + high) / 2
            if condition(scores[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

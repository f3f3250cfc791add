import Tensors

/// Statistical errors of figures of merit, by resampling of the jets (Efron, doi 10.1214/aos/1176344552).
///
///     let measures = Bootstrap(jets: labels.count).measures(["auc"]) { counts in
///         [(counts.map { metrics.resampled($0) } ?? metrics).areaUnderCurve]
///     }
///
/// In a resampling, each jet occurs a number of times that has a Poisson distribution of mean 1. It is a function of
/// the number of the resampling and of the position of the jet in the files, so that the errors are the same on any
/// number of ranks and threads. The error of a figure is its standard deviation over the resamplings, which is known to
/// 1/√(2 · 100) = 7 %.
package struct Bootstrap: Sendable {
    package static let resamplings = 100
    /// The largest number of jets for which the counts are kept; for more, they are computed again for each use.
    private static let keptJets = 1 << 20
    /// 2¹⁶ times the probability that a number with a Poisson distribution of mean 1 is at most 0, 1, 2, …
    private static let thresholds: [UInt32] = [24109, 48219, 60273, 64292, 65296, 65497, 65531, 65535]

    package let jets: Int
    /// The counts of each resampling; empty for many jets.
    private let kept: [[UInt8]]

    /// - Parameter jets: the number of jets.
    package init(jets: Int) {
        self.jets = jets
        kept = jets <= Self.keptJets ? Self.collect { Self.counts($0, jets: jets) } : []
    }

    /// How often each jet occurs in a resampling.
    package func counts(_ resampling: Int) -> [UInt8] {
        kept.isEmpty ? Self.counts(resampling, jets: jets) : kept[resampling]
    }

    private static func counts(_ resampling: Int, jets: Int) -> [UInt8] {
        let key = RandomKey(seed: 0, stream: .bootstrap, jet: resampling)
        var counts: [UInt8] = []
        counts.reserveCapacity(jets + 7)
        // A block of four words has eight numbers.
        for block in 0..<(jets + 7) / 8 {
            let words = key.block(block)
            for word in 0..<4 {
                counts.append(count(words[word] & 0xffff))
                counts.append(count(words[word] >> 16))
            }
        }
        counts.removeLast(counts.count - jets)
        return counts
    }

    private static func count(_ uniform: UInt32) -> UInt8 {
        var count: UInt8 = 0
        for threshold in thresholds where uniform >= threshold { count += 1 }
        return count
    }

    /// The results for all resamplings, computed by the threads of the pool.
    private static func collect<R>(_ body: (_ resampling: Int) -> R) -> [R] {
        [R](unsafeUninitializedCapacity: resamplings) { buffer, initialized in
            let rows = buffer
            parallel(resamplings) { range in
                for number in range { (rows.baseAddress! + number).initialize(to: body(number)) }
            }
            initialized = resamplings
        }
    }

    /// A figure in every resampling; `figure` is called by several threads.
    package func replicas(_ figure: (_ counts: [UInt8]) -> Double) -> [Double] {
        Self.collect { figure(counts($0)) }
    }

    /// Figures of merit with their errors; `figures` is called by several threads.
    ///
    /// - Parameter figures: the values of the figures if each jet occurs a number of times; nil for once each.
    package func measures(_ names: [String], _ figures: (_ counts: [UInt8]?) -> [Double]) -> [Measure] {
        let replicas = Self.collect { figures(counts($0)) }
        return zip(names, figures(nil)).enumerated().map { place, figure in
            Measure(figure.0, figure.1, error: Self.error(replicas.map { $0[place] }))
        }
    }

    /// The standard deviation of a figure over the resamplings, 0 for one that differs by rounding only; nil if it is
    /// undefined or infinite in one of them.
    package static func error(_ replicas: [Double]) -> Double? {
        guard replicas.count > 1, replicas.allSatisfy(\.isFinite) else { return nil }
        let mean = replicas.reduce(0, +) / Double(replicas.count)
        let squares = replicas.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let deviation = (squares / Double(replicas.count - 1)).squareRoot()
        return deviation < 1e-12 * abs(mean) ? 0 : deviation
    }
}

extension Measure {
    /// A fraction of independent jets, with the error √(p (1 − p) / n) of the binomial distribution.
    package init(_ name: String, fraction value: Double, of jets: Int) {
        self.init(name, value, error: jets > 0 ? (value * (1 - value) / Double(jets)).squareRoot() : nil)
    }
}

/// A mean over the items (jets, constituents or pairs) of jets: Σ values / Σ weights.
package struct MeanOverJets: Sendable {
    private var jets: [Int] = []
    private var values: [Double] = []
    private var weights: [Double] = []

    package init() {}

    /// Adds the summed values of items of a jet, and their number or summed weight.
    package mutating func add(_ value: Double, weight: Double = 1, jet: Int) {
        jets.append(jet)
        values.append(value)
        weights.append(weight)
    }

    /// The mean if each jet occurs a number of times; nil for once each. NaN without items.
    package func mean(_ counts: [UInt8]? = nil) -> Double {
        var (sum, weight) = (0.0, 0.0)
        for place in jets.indices {
            let times = counts.map { Double($0[jets[place]]) } ?? 1
            sum += times * values[place]
            weight += times * weights[place]
        }
        return sum / weight
    }
}

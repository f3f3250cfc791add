/// Adjusted Rand index of two partitions of the same items: 1 for equal partitions, 0 on average for independent ones
/// (Hubert and Arabie, J. Classif. 2, 193, 1985).
///
/// The index is 1 if both partitions have at most one item, only parts of one item, or a single part.
///
/// - Parameters:
///   - predicted: the part of every item, as an arbitrary number.
///   - truth: the part of every item in the other partition.
package func adjustedRandIndex(_ predicted: some Sequence<Int>, _ truth: some Sequence<Int>) -> Double {
    var joint: [SIMD2<Int>: Int] = [:]
    var (predictedSizes, trueSizes) = ([Int: Int](), [Int: Int]())
    var items = 0
    for (a, b) in zip(predicted, truth) {
        joint[SIMD2(a, b), default: 0] += 1
        predictedSizes[a, default: 0] += 1
        trueSizes[b, default: 0] += 1
        items += 1
    }
    func pairs(_ sizes: some Sequence<Int>) -> Int { sizes.reduce(0) { $0 + $1 * ($1 - 1) / 2 } }
    let both = pairs(joint.values)
    let (inPredicted, inTruth) = (pairs(predictedSizes.values), pairs(trueSizes.values))
    return PairCounts(
        truePositives: both, falsePositives: inPredicted - both, falseNegatives: inTruth - both,
        trueNegatives: items * (items - 1) / 2 - inPredicted - inTruth + both
    ).adjustedIndex
}

/// The formula of the adjusted Rand index for decisions on pairs, which need not be transitive like a partition.
///
/// - Parameters:
///   - accepted: for every pair, true if it is predicted to belong together.
///   - truth: for every pair, true if it belongs together.
package func rawPairIndex(_ accepted: some Sequence<Bool>, _ truth: some Sequence<Bool>) -> Double {
    var counts = PairCounts()
    for (accepted, truth) in zip(accepted, truth) {
        switch (accepted, truth) {
        case (true, true): counts.truePositives += 1
        case (true, false): counts.falsePositives += 1
        case (false, true): counts.falseNegatives += 1
        case (false, false): counts.trueNegatives += 1
        }
    }
    return counts.adjustedIndex
}

/// Confusion counts of decisions on pairs.
private struct PairCounts {
    var truePositives = 0
    var falsePositives = 0
    var falseNegatives = 0
    var trueNegatives = 0

    /// 2 (TP TN − FP FN) / ((TP + FN)(FN + TN) + (TP + FP)(FP + TN)), or 1 if no decision is wrong.
    var adjustedIndex: Double {
        guard falsePositives > 0 || falseNegatives > 0 else { return 1 }
        let (tp, fp) = (Double(truePositives), Double(falsePositives))
        let (fn, tn) = (Double(falseNegatives), Double(trueNegatives))
        return 2 * (tp * tn - fp * fn) / ((tp + fn) * (fn + tn) + (tp + fp) * (fp + tn))
    }
}

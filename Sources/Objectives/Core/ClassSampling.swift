import Foundation
import Tensors

extension RandomSequence {
    /// Draws a bin of a histogram in proportion to its count; nil, without drawing a number, if all are 0.
    mutating func bin(of counts: ArraySlice<Int>) -> Int? {
        let total = counts.reduce(0, +)
        guard total > 0 else { return nil }
        var left = below(total)
        return counts.enumerated().first { _, count in
            left -= count
            return left < 0
        }?.offset
    }
}

extension Tensor {
    /// One class for each row of logits, `[rows, classes]`: drawn from their softmax, or the most likely.
    func classes(_ randoms: [RandomSequence], _ options: SamplingOptions) -> [Int32] {
        guard !options.takesMostLikely else { return argmaxOfRows() }
        let probabilities = tempered(options).softmaxOfRows()
        return randoms.enumerated().map { row, random in
            var random = random
            var left = random.uniform()
            let row = probabilities.buffer[row * columns..<(row + 1) * columns]
            for (index, probability) in row.enumerated() {
                left -= probability
                if left < 0 { return Int32(index) }
            }
            // The rounded probabilities add up to less than the drawn number.
            return Int32(row.indices.max { row[$0] < row[$1] }! - row.startIndex)
        }
    }

    /// (x − max x) / temperature for the `topK` largest logits x of each row, the first ones among equals; −∞ for the
    /// others.
    private func tempered(_ options: SamplingOptions) -> Tensor {
        guard options.temperature != 1 || options.topK != nil else { return self }
        let result = Tensor(shape: shape)
        for row in 0..<rows {
            let (from, to) = (buffer[row * columns..<(row + 1) * columns], result.pointer + row * columns)
            let kept = options.topK.map { from.sorted(by: >).prefix($0) }
            let (largest, least) = (kept?.first ?? from.max()!, kept?.last ?? -.infinity)
            var ties = kept?.count { $0 == least } ?? columns
            for (column, logit) in from.enumerated() {
                if logit == least { ties -= 1 }
                let isKept = logit > least || (logit == least && ties >= 0)
                to[column] = isKept ? (logit - largest) / options.temperature : -.infinity
            }
        }
        return result
    }
}

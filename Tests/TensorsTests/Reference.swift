import Foundation
import Tensors

/// Reference implementations of the operations: plain loops in double precision.
enum Reference {
    static func linear(_ x: [Double], _ weight: [Double], _ bias: [Double]?, inputs: Int) -> [Double] {
        let outputs = weight.count / inputs
        var y: [Double] = []
        for row in 0..<x.count / inputs {
            for output in 0..<outputs {
                var sum = bias?[output] ?? 0
                for i in 0..<inputs { sum += x[row * inputs + i] * weight[output * inputs + i] }
                y.append(sum)
            }
        }
        return y
    }

    static func residual(_ x: [Double], _ branch: [Double], _ scale: [Double]?) -> [Double] {
        let scale = scale ?? [1]
        return x.indices.map { x[$0] + branch[$0] * scale[$0 % scale.count] }
    }

    static func layerNorm(_ x: [Double], _ weight: [Double], _ bias: [Double], epsilon: Double = 1e-5)
        -> [Double]
    {
        rows(of: x, weight.count).flatMap { row in
            let mean = row.reduce(0, +) / Double(row.count)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
            return row.indices.map {
                (row[$0] - mean) / (variance + epsilon).squareRoot() * weight[$0] + bias[$0]
            }
        }
    }

    static func swiglu(_ x: [Double], channels: Int) -> [Double] {
        rows(of: x, 2 * channels).flatMap { row in
            (0..<channels).map { row[$0] / (1 + exp(-row[$0])) * row[channels + $0] }
        }
    }

    static func gatherRows(_ sources: [[Double]], _ index: [Int32], channels: Int) -> [Double] {
        let all = Array(sources.joined())
        return index.flatMap { all[Int($0) * channels..<(Int($0) + 1) * channels] }
    }

    /// Self-attention of packed queries, keys and values, `[tokens, 3 · heads · size]`.
    ///
    /// - Parameter factor: of the weight of a jet, head, query and key.
    static func selfAttention(
        _ x: [Double], counts: [Int], heads: Int, size: Int, isCausal: Bool = false,
        factor: (Int, Int, Int, Int) -> Double = { _, _, _, _ in 1 }
    ) -> [Double] {
        let width = heads * size
        var y = [Double](repeating: 0, count: x.count / 3)
        var first = 0
        for (jet, count) in counts.enumerated() {
            for head in 0..<heads {
                for i in first..<first + count {
                    let query = i * 3 * width + head * size
                    let scores = (first...(isCausal ? i : first + count - 1)).map { j in
                        let key = j * 3 * width + width + head * size
                        return (0..<size).reduce(0) { $0 + x[query + $1] * x[key + $1] }
                            / Double(size).squareRoot()
                    }
                    for (j, p) in softmax(scores).enumerated() {
                        let value = (first + j) * 3 * width + 2 * width + head * size
                        let weight = p * factor(jet, head, i - first, j)
                        for c in 0..<size { y[i * width + head * size + c] += weight * x[value + c] }
                    }
                }
            }
            first += count
        }
        return y
    }

    static func softmax(_ scores: [Double]) -> [Double] {
        let top = scores.max() ?? 0
        let exponentials = scores.map { exp($0 - top) }
        let sum = exponentials.reduce(0, +)
        return exponentials.map { $0 / sum }
    }

    static func crossEntropy(
        _ logits: [Double], _ target: [Int32], classes: Int, smoothing: Double, weights: [Double]?
    ) -> Double {
        let weights = weights ?? [Double](repeating: 1, count: classes)
        return zip(rows(of: logits, classes), target).reduce(0) { loss, row in
            let (row, t) = (row.0, Int(row.1))
            let top = row.max()!
            let logNorm = top + log(row.reduce(0) { $0 + exp($1 - top) })
            let even = zip(weights, row).reduce(0) { $0 + $1.0 * (logNorm - $1.1) }
            return loss + (1 - smoothing) * weights[t] * (logNorm - row[t]) + smoothing / Double(classes)
                * even
        }
    }

    static func rows(of x: [Double], _ width: Int) -> [[Double]] {
        stride(from: 0, to: x.count, by: width).map { Array(x[$0..<$0 + width]) }
    }
}

extension Tape {
    /// Attention within jets that are described by their offsets alone.
    func selfAttention(_ projected: Variable, offsets: Offsets, heads: Int) -> Variable {
        selfAttention(projected, packing: Packing(offsets), heads: heads)
    }
}

internal import CKernels
import System

// R rows, K classes, p = softmax(logits), ε smoothing, w class weights (default 1), t target
//
//   loss = Σ_r (1 − ε) w[t] (−ln p[t]) + ε/K Σ_k w[k] (−ln p[k])
//   dlogits = scale · (p · ((1 − ε) w[t] + ε/K Σ w) − ε/K w − (1 − ε) w[t] · onehot(t))
extension Tape {
    /// The summed cross-entropy of logits against class indices, with PyTorch's label smoothing and class weights.
    ///
    /// The gradient is computed with the loss and overwrites the logits: no other operation may read them afterwards.
    /// - Parameters:
    ///   - logits: `[rows, classes]`.
    ///   - rowSmoothing: label smoothing of each row instead of the same for all.
    ///   - classWeights: `[classes]`; 1 for all when nil.
    ///   - scale: the weight of this sum in the total loss, for its gradient: such as task weight over global count.
    /// - Returns: the sum over rows. PyTorch's mean is this over `rows`, or over Σ w[t] with class weights.
    package func crossEntropy(
        _ logits: Variable, target: [Int32], smoothing: Float = 0, rowSmoothing: [Float]? = nil,
        classWeights: Tensor? = nil, scale: Float
    ) -> Double {
        let (rows, classes) = (logits.value.rows, logits.value.columns)
        invariant(target.count == rows, "\(target.count) targets for \(rows) rows")
        invariant(rowSmoothing.map { $0.count == rows } ?? true, "label smoothing for another number of rows")
        invariant(target.allSatisfy { $0 >= 0 && $0 < classes }, "a target is outside 0..<\(classes)")
        let gradient = differentiates(logits) ? logits.value.pointer : nil
        func loss(_ range: Range<Int>, _ smoothing: Float) -> Double {
            let first = range.lowerBound * classes
            return target.withUnsafeBufferPointer { target in
                ck_cross_entropy(
                    gradient.map { $0 + first }, logits.value.pointer + first, target.baseAddress! + range.lowerBound,
                    classWeights?.pointer, smoothing, scale, Int64(range.count), Int64(classes))
            }
        }
        let loss = parallelSum(rows, grain: elementGrain / classes) { range in
            guard let rowSmoothing else { return loss(range, smoothing) }
            return range.reduce(0) { $0 + loss($1..<$1 + 1, rowSmoothing[$1]) }
        }
        if gradient != nil { logits.add(gradient: logits.value) }
        lap("cross-entropy")
        return loss
    }
}

import Jets
import Tensors

/// Cache of a fixed backbone's encodings, so that a jet is encoded once instead of once per epoch.
///
/// Every jet is encoded on its own, cached or not: its rounding then does not depend on the other jets of the batch,
/// and a run that resumes with an empty cache continues exactly.
package final class EncodingCache {
    /// Training and validation files number their jets from 0 separately.
    private struct Key: Hashable {
        var isTraining: Bool
        var jet: Int
    }

    private let width: Int
    private let limit: Int
    private var encodings: [Key: [Float]] = [:]
    /// Size of the cached encodings [bytes].
    package private(set) var bytes = 0

    /// - Parameters:
    ///   - width: channels of the encodings.
    ///   - limit: largest size of the cache [bytes].
    package init(width: Int, limit: Int) {
        self.width = width
        self.limit = limit
    }

    /// Encodings of some jets, concatenated to `[rows, width]`, and their offsets.
    ///
    /// - Parameter encode: encodes a batch of a single jet.
    package func callAsFunction(
        _ batch: JetBatch, phase: Phase, encode: (JetBatch) -> Tensor
    ) -> (output: Tensor, offsets: Offsets) {
        let parts = batch.jets.enumerated().map { position, jet in
            let key = Key(isTraining: phase.isTraining, jet: jet)
            if let known = encodings[key] { return known }
            let found = encode(batch.slice(jets: position..<position + 1)).array
            let size = found.count * MemoryLayout<Float>.stride
            if bytes + size <= limit {
                encodings[key] = found
                bytes += size
            }
            return found
        }
        let offsets = Offsets(counts: parts.map { $0.count / width })
        let output = Tensor(shape: [offsets.tokens, width])
        for (jet, part) in parts.enumerated() {
            part.withUnsafeBufferPointer { values in
                guard let base = values.baseAddress else { return }
                (output.pointer + offsets[jet].lowerBound * width).update(from: base, count: values.count)
            }
        }
        return (output, offsets)
    }
}

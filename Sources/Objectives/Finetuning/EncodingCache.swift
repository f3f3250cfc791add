import Jets
import Tensors

/// What a fixed backbone says of jets, kept in memory, so that a jet is encoded once and not once an epoch.
///
/// Every jet is encoded alone, whether there is room to keep it or not: rounding then does not depend on the jets that
/// come with it, and a run that is resumed with an empty cache goes on exactly.
package final class EncodingCache {
    /// The files of training and of validation number their jets each from 0.
    private struct Key: Hashable {
        var isTraining: Bool
        var jet: Int
    }

    private let width: Int
    private let limit: Int
    private var encodings: [Key: [Float]] = [:]
    /// What the kept encodings take [bytes].
    package private(set) var bytes = 0

    /// - Parameters:
    ///   - width: channels of the encodings.
    ///   - limit: what they may take [bytes].
    package init(width: Int, limit: Int) {
        self.width = width
        self.limit = limit
    }

    /// The encodings of some jets, `[rows, width]`, one after the other, and where each begins.
    ///
    /// - Parameter encode: finds that of a single jet.
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

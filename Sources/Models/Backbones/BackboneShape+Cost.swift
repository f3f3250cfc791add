import Tensors

extension BackboneShape {
    /// An estimate of the memory of a training step for jets with these numbers of constituents [bytes]: what the
    /// blocks keep for the gradient, and the bias of pairs.
    package func activationBytes(_ constituents: [Int], precision: Precision) -> Int {
        let tokens = constituents.map { $0 + registers }
        let element = precision == .bfloat16 ? 2 : 4
        let (layers, heads, channels) =
            switch blocks {
            // Two norms, queries, keys and values, the attended values, two sums, and the feed-forward network.
            case .transformer(let shape):
                (shape.layers, shape.heads, (8 + 3 * shape.feedForwardMultiplier) * shape.width)
            case .normformer(let shape): (shape.layers, shape.heads, 8 * shape.width + 4 * shape.hidden)
            }
        let rows = tokens.reduce(0, +) * channels * element
        let attention = tokens.reduce(0) {
            $0 + Packing.keptBytes(tokens: $1, heads: heads, hasDropout: dropout > 0)
        }
        // The bias and its gradient.
        let bias = pairs == nil ? 0 : tokens.reduce(0) { $0 + 8 * heads * $1 * $1 }
        return layers * (rows + attention) + bias
    }

    /// The size of the blocks' weights in single precision [bytes].
    package var weightBytes: Int {
        switch blocks {
        // Queries, keys and values, the projection of the attended values, and a SwiGLU network.
        case .transformer(let shape):
            4 * shape.layers * shape.width * shape.width * (4 + 3 * shape.feedForwardMultiplier)
        case .normformer(let shape): 4 * shape.layers * shape.width * (4 * shape.width + 2 * shape.hidden)
        }
    }

    /// The time of a training step for a jet with this number of constituents, in units that depend on the shape:
    /// t (t + 4 × width) for t tokens. Products take a time that grows as t, attention one that grows as t²; steps of
    /// models with widths of 64, 128 and 512 on AVX-512 have both equal at 3 to 6 times the width.
    package func cost(_ constituents: Int) -> Int {
        let tokens = constituents + registers
        return tokens * (tokens + 4 * width)
    }
}

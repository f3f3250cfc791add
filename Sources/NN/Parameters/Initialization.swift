import Tensors

/// Distribution of the initial values of a parameter.
package enum Initialization: Sendable {
    /// The same value for all elements.
    case constant(Float)
    /// Normal distribution with mean 0.
    case normal(deviation: Float)
    /// Uniform distribution between −bound and bound.
    case uniform(bound: Float)

    /// PyTorch's default for linear layers: uniform between ±1/√inputs.
    package static func linear(inputs: Int) -> Initialization { .uniform(bound: 1 / Float(inputs).squareRoot()) }

    /// Xavier uniform (Glorot and Bengio, 2010): between ±√(6 / (inputs + outputs)).
    package static func xavier(inputs: Int, outputs: Int) -> Initialization {
        .uniform(bound: (6 / Float(inputs + outputs)).squareRoot())
    }
}

extension Initialization {
    /// Fills a parameter with initial values that depend only on the seed and the name, so that adding a layer does not
    /// change the others.
    func fill(_ values: Tensor, name: String, seed: UInt64) {
        // FNV-1a hash of the name.
        let hash = name.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        // Every 4096 elements have a sequence of their own, which defines the initial values.
        for (row, first) in stride(from: 0, to: values.count, by: 4096).enumerated() {
            let part = UnsafeMutableBufferPointer(rebasing: values.buffer[first..<min(first + 4096, values.count)])
            var random = RandomSequence(RandomKey(seed: seed ^ hash, stream: .initialisation, jet: row))
            switch self {
            case .constant(let constant): part.update(repeating: constant)
            case .normal(let deviation): random.fillNormal(part, deviation: deviation)
            case .uniform(let bound): for i in part.indices { part[i] = bound * (2 * random.uniform() - 1) }
            }
        }
    }
}

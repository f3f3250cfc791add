import Tensors

extension DistributedParameters {
    /// Runs work with other values of all parameters, which this rank has for the elements that it owns, and puts the
    /// parameters back, bit for bit. Collective; if the work throws, the other values stay.
    ///
    /// - Parameter other: compact, the values of `owned`.
    package func withValues<R>(_ other: Tensor, _ work: () throws -> R) throws -> R {
        try exchange(with: other)
        let result = try work()
        try exchange(with: other)
        return result
    }

    /// Exchanges the values of the elements that this rank owns with those of a compact tensor.
    private func exchange(with other: Tensor) throws {
        // Other ranks of the group may still compute with the values.
        if ranks.group.size > 1 { try ranks.group.barrier() }
        for part in owned.parts {
            let (own, values) = (
                other.pointer + part.compact.lowerBound, store.values.pointer + part.elements.lowerBound
            )
            for i in 0..<part.elements.count { swap(&own[i], &values[i]) }
        }
        try publish()
    }
}

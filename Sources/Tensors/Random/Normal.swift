extension RandomSequence {
    /// Fills memory with normal numbers of mean 0 and the given standard deviation, in the order of the sequence.
    package mutating func fillNormal(_ values: UnsafeMutableBufferPointer<Float>, deviation: Float = 1) {
        for i in values.indices { values[i] = deviation * normal() }
    }
}

extension Tensor {
    /// Standard normal numbers, all from one sequence.
    package static func normal(_ shape: [Int], from random: inout RandomSequence) -> Tensor {
        let result = Tensor(shape: shape)
        random.fillNormal(result.buffer)
        return result
    }

    /// Standard normal numbers `[randoms.count, columns]`, each row from a sequence of its own: the numbers of a
    /// constituent do not depend on the other rows.
    package static func normal(columns: Int, from randoms: some Collection<RandomSequence>) -> Tensor {
        let result = Tensor(shape: [randoms.count, columns])
        for (row, var random) in randoms.enumerated() { random.fillNormal(result.rows(row..<row + 1).buffer) }
        return result
    }
}

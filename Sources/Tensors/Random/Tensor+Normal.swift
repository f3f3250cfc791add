extension Tensor {
    /// Standard normal numbers, the rows in the order of a sequence.
    package static func normal(_ shape: [Int], from random: inout RandomSequence) -> Tensor {
        let result = Tensor(shape: shape)
        for i in 0..<result.count { result.pointer[i] = random.normal() }
        return result
    }

    /// Standard normal numbers, a row for every key: what a constituent gets does not depend on its company.
    package static func normal(columns: Int, keys: some Collection<RandomKey>) -> Tensor {
        let result = Tensor(shape: [keys.count, columns])
        for (row, key) in keys.enumerated() {
            var random = RandomSequence(key)
            for i in 0..<columns { result.pointer[row * columns + i] = random.normal() }
        }
        return result
    }
}

import Tensors

/// State of an optimizer: named tensors with one element for each parameter, and the number of updates of each group.
package struct OptimizerState: Sendable {
    /// A state tensor with its name in checkpoints, such as `first_moment`.
    package struct Entry: Sendable {
        package let name: String
        package let values: Tensor
    }

    /// `optimizer.name` of the optimizer.
    package let optimizer: String
    package let entries: [Entry]
    /// Number of updates of each parameter group so far.
    package var updates: [Int]

    private init(_ optimizer: String, _ entries: [Entry], updates: [Int]) {
        (self.optimizer, self.entries, self.updates) = (optimizer, entries, updates)
    }

    /// State tensors of zeros.
    package init(of optimizer: String, _ names: [String], for parameters: ParameterStore) {
        self.init(
            optimizer, names.map { Entry(name: $0, values: Tensor(repeating: 0, shape: parameters.values.shape)) },
            updates: parameters.groups.map { _ in 0 })
    }

    /// Memory of the tensors [bytes].
    package var bytes: Int { entries.reduce(0) { $0 + $1.values.count * MemoryLayout<Float>.stride } }

    /// A copy with tensors of its own, or in the tensors of an earlier copy that is no longer needed.
    package func copy(reusing memory: OptimizerState? = nil) -> OptimizerState {
        let copies = entries.enumerated().map { index, entry in
            Entry(name: entry.name, values: entry.values.copy(into: memory?.entries[index].values))
        }
        return OptimizerState(optimizer, copies, updates: updates)
    }
}

extension Tensor {
    /// A copy in the storage of an earlier one that is no longer needed, or in new storage.
    package func copy(into memory: Tensor?) -> Tensor {
        guard let memory else { return copy() }
        memory.pointer.update(from: pointer, count: count)
        return memory
    }
}

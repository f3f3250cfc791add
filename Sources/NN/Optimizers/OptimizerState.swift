import Tensors

/// State of an optimizer: named tensors with one value for each parameter element that it updates, and the number of
/// updates of each group.
package struct OptimizerState: Sendable {
    /// A state tensor with its name in checkpoints, such as `first_moment`.
    package struct Entry: Sendable {
        package let name: String
        /// Compact: the values of `elements`, one after the other.
        package let values: Tensor
    }

    /// `optimizer.name` of the optimizer.
    package let optimizer: String
    package private(set) var entries: [Entry]
    /// Elements of the flat buffers whose state this is.
    package let elements: ElementRanges
    /// Number of updates of each parameter group so far.
    package var updates: [Int]
    /// Moving average of the parameters, which belongs to `entries`; nil if the run has none.
    package private(set) var average: WeightAverage?

    /// State tensors of zeros.
    ///
    /// - Parameter elements: the elements that the optimizer updates; nil for all.
    package init(
        of optimizer: String, _ names: [String], for parameters: ParameterStore, elements: ElementRanges? = nil
    ) {
        let elements = elements ?? ElementRanges(allOf: parameters)
        self.init(
            optimizer, names.map { Entry(name: $0, values: Tensor(repeating: 0, shape: [elements.count])) },
            elements: elements, updates: parameters.groups.map { _ in 0 })
    }

    private init(_ optimizer: String, _ entries: [Entry], elements: ElementRanges, updates: [Int]) {
        (self.optimizer, self.entries, self.elements, self.updates) = (optimizer, entries, elements, updates)
    }

    /// Memory of the tensors [bytes].
    package var bytes: Int { entries.reduce(0) { $0 + $1.values.count * MemoryLayout<Float>.stride } }

    /// A copy for saving, with tensors of its own, or in those of an earlier copy that is no longer needed. The entries
    /// contain the average of the parameters, but the copy cannot continue it.
    package func copy(reusing memory: OptimizerState? = nil) -> OptimizerState {
        let copies = entries.enumerated().map { index, entry in
            Entry(name: entry.name, values: entry.values.copy(into: memory?.entries[index].values))
        }
        return OptimizerState(optimizer, copies, elements: elements, updates: updates)
    }

    /// Adds the moving average of the parameters, which starts at their present values.
    package mutating func addAverage(decay: Double, of parameters: ParameterStore) {
        let average = WeightAverage(decay: decay, values: Tensor(shape: [elements.count]))
        average.restart(from: parameters, elements)
        self.average = average
        entries.append(Entry(name: WeightAverage.name, values: average.values))
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

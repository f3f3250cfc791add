import HDF5
import Tensors

/// State of an objective besides its parameters, as named values: `tasks/kmeans/centroids`.
package struct ObjectiveState: Sendable {
    package var tensors: [String: Tensor] = [:]
    package var integers: [String: [Int]] = [:]

    package init() {}

    package var isEmpty: Bool { tensors.isEmpty && integers.isEmpty }

    /// State of a part, stored under a name of its own.
    package subscript(part: String) -> ObjectiveState {
        get {
            func inside<T>(_ values: [String: T]) -> [String: T] {
                let inner = values.filter { $0.key.hasPrefix(part + "/") }
                return Dictionary(
                    uniqueKeysWithValues: inner.map { (String($0.key.dropFirst(part.count + 1)), $0.value) })
            }
            var state = ObjectiveState()
            (state.tensors, state.integers) = (inside(tensors), inside(integers))
            return state
        }
        set {
            for (name, value) in newValue.tensors { tensors[part + "/" + name] = value }
            for (name, value) in newValue.integers { integers[part + "/" + name] = value }
        }
    }

    /// The tensor of a name. Throws `ObjectiveError` if it is missing or has another shape.
    ///
    /// - Parameter wanted: the reason for the shape, such as `tasks.kmeans requires 512 clusters of 7 features`.
    package func tensor(_ name: String, shape: [Int], wanted: @autoclosure () -> String) throws -> Tensor {
        guard let tensor = tensors[name] else {
            throw ObjectiveError("the stored state of the objective has no '\(name)'; \(wanted())")
        }
        guard tensor.shape == shape else {
            throw ObjectiveError("the stored '\(name)' has shape \(tensor.shape), but \(wanted())")
        }
        return tensor
    }

    /// The `count` integers of a name. Throws `ObjectiveError` if they are missing or their number differs.
    package func integers(_ name: String, count: Int) throws -> [Int] {
        guard let values = integers[name], values.count == count else {
            throw ObjectiveError(
                "the stored state of the objective has \(integers[name]?.count ?? 0) values of '\(name)', not \(count)")
        }
        return values
    }

    /// Writes everything as datasets with checksums.
    package func save(to group: borrowing Group) throws {
        for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            try withExtendedLifetime(tensor) {
                try group.writeVerified(UnsafeBufferPointer(tensor.buffer), shape: tensor.shape, as: name)
            }
        }
        for (name, values) in integers.sorted(by: { $0.key < $1.key }) {
            try group.writeVerified(values, shape: [values.count], as: name)
        }
    }

    /// Reads a state written by `save`. Throws `HDF5Error`.
    package init(from group: borrowing Group) throws {
        try read(group, prefix: "")
    }

    private mutating func read(_ group: borrowing Group, prefix: String) throws {
        for child in try group.children {
            let name = prefix + child.name
            switch child.kind {
            case .group: try read(group.group(child.name), prefix: name + "/")
            case .dataset:
                let dataset = try group.dataset(child.name)
                if dataset.elementType == .float32 {
                    tensors[name] = Tensor(try dataset.readVerified(), shape: dataset.shape)
                } else {
                    integers[name] = try dataset.readVerified()
                }
            case .other: continue
            }
        }
    }
}

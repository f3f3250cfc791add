import HDF5
import MPI
import Objectives

extension Predictions {
    /// The rows of all ranks in order of rank, on rank 0; nil elsewhere. Collective.
    package func gathered(on communicator: Communicator) throws -> Predictions? {
        guard communicator.size > 1 else { return self }
        // A rank without jets has no columns.
        let names = Set(
            try communicator.allGather(columns.keys.sorted().joined(separator: "\n")).flatMap {
                $0.split(separator: "\n").map(String.init)
            }
        ).sorted()
        var result: [String: Column] = [:]
        for name in names {
            let column = columns[name]
            let width = try communicator.allReduce(column?.width ?? 0, .maximum)
            let isFloat: Bool
            if case .floats? = column?.values { isFloat = true } else { isFloat = false }
            if try communicator.allReduce(isFloat ? 1 : 0, .maximum) == 1 {
                let parts = try communicator.gather(floats(name))
                if let parts { result[name] = Column(Array(parts.joined()), width: width) }
            } else {
                let parts = try communicator.gather(integers(name))
                if let parts { result[name] = Column(Array(parts.joined()), width: width) }
            }
        }
        return communicator.rank == 0 ? Predictions(result) : nil
    }

    /// Writes one dataset for each column.
    package func write(to group: borrowing Group) throws {
        for (name, column) in columns.sorted(by: { $0.key < $1.key }) {
            func shape(_ count: Int) -> [Int] { column.width == 1 ? [count] : [count / column.width, column.width] }
            switch column.values {
            case .floats(let values): try group.write(values, shape: shape(values.count), as: name)
            case .integers(let values): try group.write(values, shape: shape(values.count), as: name)
            }
        }
    }
}

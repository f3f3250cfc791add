import System
import Tensors

/// Predictions of a model, with the truth: named columns with one row for each jet, constituent or pair.
package struct Predictions: Sendable {
    /// Values of one type, `width` of them in a row.
    package struct Column: Sendable, Equatable {
        package enum Values: Sendable, Equatable {
            case floats([Float])
            case integers([Int])
        }
        package var values: Values
        package let width: Int

        package init(_ values: [Float], width: Int = 1) { (self.values, self.width) = (.floats(values), width) }
        package init(_ values: [Int], width: Int = 1) { (self.values, self.width) = (.integers(values), width) }
        package init(_ tensor: Tensor) { self.init(Array(tensor.buffer), width: tensor.columns) }
    }

    /// Columns by name.
    package private(set) var columns: [String: Column] = [:]

    package init(_ columns: [String: Column] = [:]) {
        self.columns = columns
    }

    /// Values of a column of floats; empty if there is no such column.
    package func floats(_ name: String) -> [Float] {
        guard case .floats(let values)? = columns[name]?.values else { return [] }
        return values
    }

    /// Values of a column of integers; empty if there is no such column.
    package func integers(_ name: String) -> [Int] {
        guard case .integers(let values)? = columns[name]?.values else { return [] }
        return values
    }

    /// Appends the rows of other jets.
    package mutating func append(_ other: Predictions) {
        for (name, column) in other.columns {
            guard let own = columns[name] else {
                columns[name] = column
                continue
            }
            switch (own.values, column.values) {
            case (.floats, .floats(let more)):
                columns[name] = nil  // leaves one reference, so that appending does not copy the array
                guard case .floats(var values) = own.values else { continue }
                values += more
                columns[name] = Column(values, width: own.width)
            case (.integers, .integers(let more)):
                columns[name] = nil
                guard case .integers(var values) = own.values else { continue }
                values += more
                columns[name] = Column(values, width: own.width)
            default: unreachable("the column '\(name)' changes its type")
            }
        }
    }
}

/// A figure of merit.
package struct Measure: Sendable, Equatable {
    package let name: String
    package let value: Double
    /// The statistical error; nil if it is not known.
    package let error: Double?

    package init(_ name: String, _ value: Double, error: Double? = nil) {
        (self.name, self.value, self.error) = (name, value, error)
    }
}

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

        /// Appends rows. An array has a single reference while it grows; with another it would be copied.
        fileprivate mutating func append(_ other: Column) {
            switch other.values {
            case .floats(let more):
                guard case .floats(var own) = values else {
                    unreachable("a column of integers is continued with floats")
                }
                values = .floats([])
                own += more
                values = .floats(own)
            case .integers(let more):
                guard case .integers(var own) = values else {
                    unreachable("a column of floats is continued with integers")
                }
                values = .integers([])
                own += more
                values = .integers(own)
            }
        }
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

    /// Appends the rows of other jets, in amortised time proportional to their number.
    package mutating func append(_ other: Predictions) {
        for (name, column) in other.columns where columns[name]?.append(column) == nil {
            columns[name] = column
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

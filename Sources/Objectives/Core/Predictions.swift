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

        /// Appends rows.
        fileprivate mutating func append(_ other: Column) {
            switch other.values {
            case .floats(let more): append(more)
            case .integers(let more): append(more)
            }
        }

        /// The array has a single reference while it grows; with another it would be copied.
        private mutating func append<Value: PredictedValue>(_ more: [Value]) {
            guard var own = Value.array(of: values) else {
                unreachable("a column is continued with values of another type")
            }
            values = Value.column([])
            own += more
            values = Value.column(own)
        }
    }

    /// Columns by name.
    package private(set) var columns: [String: Column] = [:]

    package init(_ columns: [String: Column] = [:]) {
        self.columns = columns
    }

    /// Values of a column of floats; empty if there is no such column.
    package func floats(_ name: String) -> [Float] {
        columns[name].flatMap { Float.array(of: $0.values) } ?? []
    }

    /// Values of a column of integers; empty if there is no such column.
    package func integers(_ name: String) -> [Int] {
        columns[name].flatMap { Int.array(of: $0.values) } ?? []
    }

    /// Appends the rows of other jets, in amortised time proportional to their number.
    package mutating func append(_ other: Predictions) {
        for (name, column) in other.columns where columns[name]?.append(column) == nil {
            columns[name] = column
        }
    }
}

/// A type of the values of a column of predictions.
private protocol PredictedValue {
    static func column(_ values: [Self]) -> Predictions.Column.Values
    /// nil if the values have another type.
    static func array(of values: Predictions.Column.Values) -> [Self]?
}

extension Float: PredictedValue {
    fileprivate static func column(_ values: [Float]) -> Predictions.Column.Values { .floats(values) }

    fileprivate static func array(of values: Predictions.Column.Values) -> [Float]? {
        if case .floats(let array) = values { array } else { nil }
    }
}

extension Int: PredictedValue {
    fileprivate static func column(_ values: [Int]) -> Predictions.Column.Values { .integers(values) }

    fileprivate static func array(of values: Predictions.Column.Values) -> [Int]? {
        if case .integers(let array) = values { array } else { nil }
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

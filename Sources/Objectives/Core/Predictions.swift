import Jets
import System
import Tensors

/// What a model says of some jets, as named columns of a row a jet, a constituent or a pair.
package struct Predictions: Sendable {
    /// Values of one kind, `width` of them a row.
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

    /// The columns by name.
    package private(set) var columns: [String: Column] = [:]

    package init(_ columns: [String: Column] = [:]) {
        self.columns = columns
    }

    /// The values of a column of floats.
    package func floats(_ name: String) -> [Float] {
        guard case .floats(let values)? = columns[name]?.values else { return [] }
        return values
    }

    /// The values of a column of whole numbers.
    package func integers(_ name: String) -> [Int] {
        guard case .integers(let values)? = columns[name]?.values else { return [] }
        return values
    }

    /// Adds the rows of other jets.
    package mutating func append(_ other: Predictions) {
        for (name, column) in other.columns {
            guard let own = columns[name] else {
                columns[name] = column
                continue
            }
            switch (own.values, column.values) {
            case (.floats, .floats(let more)):
                columns[name] = nil  // so that the array is not copied
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

    package init(_ name: String, _ value: Double) {
        (self.name, self.value) = (name, value)
    }
}

/// An objective that answers for every jet.
package protocol Predicting: Objective {
    /// The answers for some jets, and the truth that they are compared with.
    ///
    /// - Parameter preprocessing: what made the inputs of the stored features.
    func predict(_ batch: JetBatch, _ preprocessing: any Preprocessing) -> Predictions
    /// The figures of merit of the answers for all jets.
    func measures(of predictions: Predictions) -> [Measure]
    /// Figures of merit that are tables, row by row.
    func tables(of predictions: Predictions) -> [String: [[Double]]]
}

extension Predicting {
    package func tables(of predictions: Predictions) -> [String: [[Double]]] { [:] }
}

import NN
import System
import Tensors

/// Where the order of the constituents in pT enters a network of version 1 (arXiv:2401.13537).
package enum PositionPlace: String, Sendable, CaseIterable {
    /// Nowhere: jets are sets.
    case none
    /// At the input of the backbone.
    case backbone
    /// At the input of the head that recovers constituents, so that the backbone sees sets.
    case head
}

/// A learned vector for every place in a jet, added to the tokens there.
struct LearnedPosition {
    private let table: ParameterSlot

    init(places: Int, width: Int, in scope: ParameterScope) {
        table = scope.parameter("position", shape: [places, width], .normal(deviation: 0.02))
    }

    /// x + position, for all tokens of the jets.
    func callAsFunction(_ x: Variable, offsets: Offsets, on tape: Tape) -> Variable {
        callAsFunction(x, places: offsets.places, on: tape)
    }

    /// x + position, for tokens of known places in their jets.
    func callAsFunction(_ x: Variable, places: [Int32], on tape: Tape) -> Variable {
        let count = table.variable.value.rows
        invariant(
            places.allSatisfy { $0 < count },
            "a jet has more constituents than the \(count) learned positions")
        return tape.add(x, tape.embedding(table.variable, index: places))
    }
}

extension Offsets {
    /// The place of every token in its jet.
    var places: [Int32] {
        (0..<jets).flatMap { 0..<Int32(self[$0].count) }
    }
}

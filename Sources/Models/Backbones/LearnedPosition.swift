import NN
import System
import Tensors

/// Place at which the order of the constituents in pT enters a network of version 1 (arXiv:2401.13537).
package enum PositionPlace: String, Sendable, CaseIterable {
    /// Not used: jets are sets.
    case none
    /// At the input of the backbone.
    case backbone
    /// At the input of the head that recovers constituents, so that the backbone sees sets.
    case head
    /// In place of the mask token: the k-th dropped constituent of a jet has the k-th learned token, so that only the
    /// order among the dropped ones enters.
    case masked
}

/// Learned positional embedding: one vector for each position in a jet, added to the token.
struct LearnedPosition {
    private let table: ParameterSlot

    init(positions: Int, width: Int, in scope: ParameterScope) {
        table = scope.parameter("position", shape: [positions, width], .normal(deviation: 0.02))
    }

    /// x + position, for all tokens of the jets, `[tokens, width]`.
    func callAsFunction(_ x: Variable, offsets: Offsets, on tape: Tape) -> Variable {
        callAsFunction(x, positions: offsets.positions, on: tape)
    }

    /// x + position, for tokens with given positions in their jets.
    func callAsFunction(_ x: Variable, positions: [Int32], on tape: Tape) -> Variable {
        let count = table.variable.value.rows
        invariant(
            positions.allSatisfy { $0 < count },
            "a jet has more constituents than there are learned positions, \(count)")
        return tape.add(x, tape.embedding(table.variable, index: positions))
    }
}

extension Offsets {
    /// Position of every token in its jet.
    var positions: [Int32] {
        (0..<jets).flatMap { 0..<Int32(self[$0].count) }
    }
}

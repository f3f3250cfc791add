import Tensors

/// Sets elements to zero at random in training; without keys, as in validation, it changes nothing.
package struct Dropout {
    private let rate: Float
    private let place: Int

    /// - Parameters:
    ///   - rate: the probability of zero.
    ///   - place: the number of this dropout in its network, no two alike.
    package init(rate: Float, place: Int) {
        self.rate = rate
        self.place = place
    }

    /// - Parameter keys: one for each row of x, nil outside of training.
    package func callAsFunction(_ x: Variable, keys: TokenKeys?, on tape: Tape) -> Variable {
        guard let keys, rate > 0 else { return x }
        return tape.dropout(x, rate: rate, place: place, keys: keys)
    }
}

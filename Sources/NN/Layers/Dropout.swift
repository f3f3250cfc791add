import Tensors

/// Sets random elements to zero during training; the identity without keys, as in validation.
package struct Dropout {
    private let rate: Float
    private let place: Int

    /// - Parameters:
    ///   - rate: the probability that an element becomes zero.
    ///   - place: the number of this dropout layer; no other layer of the network that drops elements has it.
    package init(rate: Float, place: Int) {
        self.rate = rate
        self.place = place
    }

    /// Dropout of attention weights, whose random numbers are others than those of elements; nil for none.
    ///
    /// - Parameter keys: one for each query; nil outside training.
    func ofWeights(keys: TokenKeys?) -> AttentionDropout? {
        guard let keys, rate > 0 else { return nil }
        return AttentionDropout(rate: rate, place: place, keys: keys)
    }

    /// - Parameter keys: one for each row of x; nil outside training.
    package func callAsFunction(_ x: Variable, keys: TokenKeys?, on tape: Tape) -> Variable {
        guard let keys, rate > 0 else { return x }
        return tape.dropout(x, rate: rate, place: place, keys: keys)
    }
}

import NN
import Tensors

/// A network that looks at a part of the constituents and has something to say of each of the others.
package protocol MaskedNetwork {
    /// The part that downstream tasks keep.
    var backbone: Backbone { get }
    /// Channels of the output.
    var width: Int { get }

    /// What it says of the dropped constituents, `[dropped, width]`, in the order of the jets.
    ///
    /// - Parameter keys: the random numbers of dropout, one key for each constituent; nil outside of training.
    func callAsFunction(_ jets: MaskedConstituents, keys: TokenKeys?, on tape: Tape) -> Variable
}

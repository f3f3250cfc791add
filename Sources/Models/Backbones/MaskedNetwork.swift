import NN
import Tensors

/// Network with an output for each dropped constituent, given the others.
package protocol MaskedNetwork {
    /// The encoder, which downstream tasks use.
    var backbone: Backbone { get }
    /// Channels of the output.
    var width: Int { get }

    /// Outputs at the dropped constituents, `[dropped, width]`, in the order of the jets.
    ///
    /// - Parameter keys: random numbers of dropout, one key for each constituent; nil for no dropout.
    func callAsFunction(_ jets: MaskedConstituents, keys: TokenKeys?, on tape: Tape) -> Variable
}

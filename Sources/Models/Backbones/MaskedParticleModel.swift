import NN
import System
import Tensors

/// Network of version 2 of masked particle modelling (Leigh et al., arXiv:2409.12589): an encoder of the surviving
/// constituents, and a smaller decoder of its outputs and one learned null token for every dropped constituent.
///
/// The k-th dropped constituent of a jet, in the order of pT, gets the k-th null token: the targets differ by their
/// order among the dropped constituents, and the positions in the jet are not revealed.
package struct MaskedParticleModel: MaskedNetwork {
    /// Hyperparameters.
    package struct Shape: Sendable, Equatable {
        /// Number of continuous features of a constituent.
        package var features: Int
        /// Number of identity classes; nil if identities are not embedded.
        package var identities: Int?
        /// Largest number of constituents in a jet, which is that of null tokens.
        package var maxConstituents: Int
        package var encoder: TransformerShape
        package var decoder: TransformerShape

        package init(
            features: Int, identities: Int?, maxConstituents: Int, encoder: TransformerShape, decoder: TransformerShape
        ) {
            self.features = features
            self.identities = identities
            self.maxConstituents = maxConstituents
            self.encoder = encoder
            self.decoder = decoder
        }
    }

    /// The encoder, which downstream tasks use.
    package let backbone: Backbone
    private let encoderToDecoder: Linear
    private let nullTokens: ParameterSlot
    private let decoder: TransformerEncoder
    private let shape: Shape

    package init(_ shape: Shape, in scope: ParameterScope) {
        invariant(shape.decoder.registers == 0, "the decoder has the registers of the encoder, and none of its own")
        self.shape = shape
        backbone = Backbone(
            features: shape.features, identities: shape.identities, blocks: .transformer(shape.encoder), in: scope)
        encoderToDecoder = Linear(
            inputs: shape.encoder.width, outputs: shape.decoder.width, in: scope.hidden.scope("encoder_to_decoder"))
        nullTokens = scope.parameter(
            "decoder.null_tokens", shape: [shape.maxConstituents, shape.decoder.width], .normal(deviation: 1e-3))
        decoder = TransformerEncoder(shape.decoder, in: scope.scope("decoder"))
    }

    package var width: Int { shape.decoder.width }

    /// Outputs of the decoder at the dropped constituents, `[dropped, width]`, in the order of the jets.
    package func callAsFunction(_ jets: MaskedConstituents, keys: TokenKeys? = nil, on tape: Tape) -> Variable {
        let encoded = backbone(jets.survivors, on: tape)
        let mapped = encoderToDecoder(encoded.output, on: tape)
        let sequence = DecoderSequence(
            encoded: encoded.offsets, dropped: jets.dropped.offsets, nullTokens: shape.maxConstituents)
        let input = tape.gatherRows([mapped, nullTokens.variable], index: sequence.index)
        let decoded = decoder(input, packing: Packing(sequence.offsets), on: tape).output
        return tape.gatherRows([decoded], index: sequence.droppedRows)
    }
}

/// Row indices of the decoder's input: for each jet the encoder's outputs, then null tokens.
private struct DecoderSequence {
    /// Indices into the rows [encoder outputs | null tokens].
    var index: [Int32] = []
    var offsets: Offsets
    /// Rows of the null tokens in the sequence.
    var droppedRows: [Int32] = []

    init(encoded: Offsets, dropped: Offsets, nullTokens: Int) {
        offsets = Offsets(zip(encoded.values, dropped.values).map { $0 + $1 })
        index.reserveCapacity(offsets.tokens)
        droppedRows.reserveCapacity(dropped.tokens)
        for jet in 0..<encoded.jets {
            let missing = dropped[jet].count
            invariant(missing <= nullTokens, "\(missing) dropped constituents for \(nullTokens) null tokens")
            index.append(contentsOf: encoded[jet].lazy.map { Int32($0) })
            let first = index.count
            droppedRows.append(contentsOf: (0..<missing).lazy.map { Int32(first + $0) })
            index.append(contentsOf: (0..<missing).lazy.map { Int32(encoded.tokens + $0) })
        }
    }
}

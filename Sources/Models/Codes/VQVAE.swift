import NN
import Tensors

/// Vector-quantised autoencoder of jets (van den Oord et al., arXiv:1711.00937): encodes each constituent as one code,
/// which depends on all constituents of its jet, and decodes the codes of a jet to constituents.
///
///     values → encoder → latents → codes → decoder → values
package struct VQVAE {
    /// Hyperparameters, by default those of version 1 (arXiv:2401.13537).
    package struct Shape: Sendable, Equatable {
        /// Number of continuous features of a constituent.
        package var features: Int
        package var encoder: NormformerShape
        package var decoder: NormformerShape
        package var quantiser: VectorQuantiser.Shape

        /// Shape of the encoder and the decoder of version 1.
        package static let stack = NormformerShape(width: 256, layers: 4, heads: 8, hidden: 256)

        package init(
            features: Int, encoder: NormformerShape = stack, decoder: NormformerShape = stack,
            quantiser: VectorQuantiser.Shape = .init()
        ) {
            self.features = features
            self.encoder = encoder
            self.decoder = decoder
            self.quantiser = quantiser
        }
    }

    /// Results of a forward pass.
    package struct Output {
        /// Decoded constituents, `[tokens, features]`.
        package let reconstruction: Variable
        /// Latent vectors, `[tokens, dimension]`.
        package let latents: Tensor
        /// The code of each token.
        package let codes: [Int32]
        /// Mean squared difference of latent vector and code, summed over the tokens.
        package let commitment: Double
    }

    package let quantiser: VectorQuantiser
    private let encoder: Backbone
    private let toLatent: Linear
    private let fromLatent: Linear
    private let decoder: NormformerEncoder
    private let output: Linear

    package init(_ shape: Shape, in scope: ParameterScope) {
        let dimension = shape.quantiser.dimension
        encoder = Backbone(
            features: shape.features, identities: nil, blocks: .normformer(shape.encoder), in: scope)
        toLatent = Linear(inputs: shape.encoder.width, outputs: dimension, in: scope.scope("to_latent"))
        quantiser = VectorQuantiser(shape.quantiser, in: scope.scope("quantiser"))
        fromLatent = Linear(inputs: dimension, outputs: shape.decoder.width, in: scope.scope("from_latent"))
        decoder = NormformerEncoder(
            shape.decoder, dropoutPlace: shape.encoder.layers, in: scope.scope("decoder"))
        output = Linear(inputs: shape.decoder.width, outputs: shape.features, in: scope.scope("output"))
    }

    /// Encodes, quantises and decodes jets.
    ///
    /// - Parameters:
    ///   - commitmentScale: factor of the summed commitment loss in the total loss.
    ///   - keys: random numbers of dropout, one key for each token; nil for no dropout.
    package func callAsFunction(
        _ jets: Constituents, commitmentScale: Float, keys: TokenKeys? = nil, on tape: Tape
    ) -> Output {
        let latents = encode(jets, keys: keys, on: tape)
        let quantised = quantiser(latents, commitmentScale: commitmentScale, on: tape)
        return Output(
            reconstruction: decode(quantised.vectors, offsets: jets.offsets, keys: keys, on: tape),
            latents: latents.value, codes: quantised.codes, commitment: quantised.commitment)
    }

    /// Latent vectors, `[tokens, dimension]`.
    package func latents(of jets: Constituents) -> Tensor {
        encode(jets, keys: nil, on: Tape(recording: false)).value
    }

    /// The code of each constituent.
    package func codes(of jets: Constituents, on tape: Tape = Tape(recording: false)) -> [Int32] {
        quantiser.nearestCodes(encode(jets, keys: nil, on: tape).value)
    }

    /// Vectors of codes, `[tokens, dimension]`, as the input of another network.
    package func vectors(of codes: [Int32]) -> Tensor {
        Tape(recording: false).embedding(Variable(constant: quantiser.codebook), index: codes).value
    }

    /// Decodes the codes of some jets to features, `[tokens, features]`.
    package func decode(_ codes: [Int32], offsets: Offsets, on tape: Tape = Tape(recording: false)) -> Tensor {
        let vectors = Variable(constant: vectors(of: codes))
        return decode(vectors, offsets: offsets, keys: nil, on: tape).value
    }

    private func encode(_ jets: Constituents, keys: TokenKeys?, on tape: Tape) -> Variable {
        toLatent(encoder(jets, keys: keys, on: tape).output, on: tape)
    }

    private func decode(_ vectors: Variable, offsets: Offsets, keys: TokenKeys?, on tape: Tape) -> Variable {
        output(decoder(fromLatent(vectors, on: tape), packing: Packing(offsets), keys: keys, on: tape), on: tape)
    }
}

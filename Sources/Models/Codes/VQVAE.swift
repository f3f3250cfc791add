import NN
import Tensors

/// An autoencoder of jets through codes (van den Oord et al., arXiv:1711.00937): each constituent becomes one
/// code, which depends on all constituents of its jet, and the codes of a jet become constituents again.
///
///     values → encoder → latents → codes → decoder → values
package struct VQVAE {
    /// What determines the parameters; as it comes, the shape of version 1 (arXiv:2401.13537).
    package struct Shape: Sendable, Equatable {
        /// Continuous features of a constituent.
        package var features: Int
        /// What makes latent vectors of constituents.
        package var encoder: NormformerShape
        /// What makes constituents of codes.
        package var decoder: NormformerShape
        /// The code book.
        package var quantiser: VectorQuantiser.Shape

        /// The shape of the encoder and the decoder of version 1.
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

    /// What comes of jets on their way through the codes.
    package struct Output {
        /// The decoded constituents, `[tokens, features]`.
        package let reconstruction: Variable
        /// What the encoder gave, `[tokens, dimension]`.
        package let latents: Tensor
        /// The code of each token.
        package let codes: [Int32]
        /// The sum over tokens of the mean squared difference of latent and code.
        package let commitment: Double
    }

    /// The code book.
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
            shape.decoder, dropoutPlace: shape.encoder.dropoutPlaces, in: scope.scope("decoder"))
        output = Linear(inputs: shape.decoder.width, outputs: shape.features, in: scope.scope("output"))
    }

    /// Encodes jets, quantises them and decodes them again.
    ///
    /// - Parameters:
    ///   - commitmentScale: what the gradient of the summed commitment loss counts in the total loss.
    ///   - keys: the random numbers of dropout, one key for each token; nil outside of training.
    package func callAsFunction(
        _ jets: Constituents, commitmentScale: Float, keys: TokenKeys? = nil, on tape: Tape
    ) -> Output {
        let latents = encode(jets, keys: keys, on: tape)
        let quantised = quantiser(latents, commitmentScale: commitmentScale, on: tape)
        return Output(
            reconstruction: decode(quantised.vectors, offsets: jets.offsets, keys: keys, on: tape),
            latents: latents.value, codes: quantised.codes, commitment: quantised.commitment)
    }

    /// What the encoder gives, `[tokens, dimension]`.
    package func latents(of jets: Constituents) -> Tensor {
        encode(jets, keys: nil, on: Tape(recording: false)).value
    }

    /// The code of each constituent.
    package func codes(of jets: Constituents) -> [Int32] {
        quantiser.nearestCodes(latents(of: jets))
    }

    /// The vectors of codes, `[tokens, dimension]`, as the input of another network.
    package func vectors(of codes: [Int32]) -> Tensor {
        Tape(recording: false).embedding(Variable(constant: quantiser.codebook), index: codes).value
    }

    /// The constituents that the codes of some jets stand for, `[tokens, features]`.
    package func decode(_ codes: [Int32], offsets: Offsets) -> Tensor {
        let vectors = Variable(constant: vectors(of: codes))
        return decode(vectors, offsets: offsets, keys: nil, on: Tape(recording: false)).value
    }

    private func encode(_ jets: Constituents, keys: TokenKeys?, on tape: Tape) -> Variable {
        toLatent(encoder(jets, keys: keys, on: tape).output, on: tape)
    }

    private func decode(_ vectors: Variable, offsets: Offsets, keys: TokenKeys?, on tape: Tape) -> Variable {
        output(decoder(fromLatent(vectors, on: tape), offsets: offsets, keys: keys, on: tape), on: tape)
    }
}

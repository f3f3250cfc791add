import NN
import System
import Tensors

/// Vector quantiser: replaces every latent vector by its nearest code (van den Oord et al., arXiv:1711.00937), with an
/// affine map shared by all codes and a synchronised update of the codes (Huh et al., arXiv:2305.08842).
package struct VectorQuantiser {
    /// Hyperparameters of the codebook and its training.
    package struct Shape: Sendable, Equatable {
        /// Number of codes.
        package var codes: Int
        /// Width of a latent vector and a code.
        package var dimension: Int
        /// β: fraction of the commitment loss whose gradient moves the codes; the rest moves the latent vectors.
        package var beta: Double
        /// ν: factor of the reconstruction's gradient in the gradient of the codes.
        package var synchronisation: Double
        /// r: factor of the learning rate of the affine map.
        package var affineRate: Double

        package init(
            codes: Int = 512, dimension: Int = 16, beta: Double = 0.9, synchronisation: Double = 2,
            affineRate: Double = 2
        ) {
            self.codes = codes
            self.dimension = dimension
            self.beta = beta
            self.synchronisation = synchronisation
            self.affineRate = affineRate
        }
    }

    /// Quantised latent vectors.
    package struct Output {
        /// The code vector of each token, `[tokens, dimension]`.
        package let vectors: Variable
        /// The code of each token.
        package let codes: [Int32]
        /// Mean squared difference of latent vector and code, summed over the tokens.
        package let commitment: Double
    }

    package let shape: Shape
    private let codes: ParameterSlot
    private let scale: ParameterSlot
    private let bias: ParameterSlot

    /// The affine map is initialised to the identity.
    package init(_ shape: Shape, in scope: ParameterScope) {
        self.shape = shape
        codes = scope.parameter("codes", shape: [shape.codes, shape.dimension], .normal(deviation: 1))
        scale = scope.parameter("affine.scale", shape: [shape.dimension], .constant(0))
        bias = scope.parameter("affine.bias", shape: [shape.dimension], .constant(0))
    }

    /// Codes after the affine map, `[codes, dimension]`: (1 + r · scale) ⊙ codes + r · bias.
    package var codebook: Tensor { codebook(on: Tape(recording: false)).value }

    private func codebook(on tape: Tape) -> Variable {
        tape.affineCodes(
            codes.variable, scale: scale.variable, bias: bias.variable, rate: Float(shape.affineRate))
    }

    /// Index of the nearest code of each latent vector, `[tokens, dimension]`.
    package func nearestCodes(_ latents: Tensor) -> [Int32] {
        NearestRows(codebook).indices(of: latents)
    }

    /// Replaces latent vectors, `[tokens, dimension]`, by their nearest codes.
    ///
    /// - Parameter commitmentScale: factor of the summed commitment loss in the total loss.
    package func callAsFunction(_ latents: Variable, commitmentScale: Float, on tape: Tape) -> Output {
        let codebook = codebook(on: tape)
        let codes = NearestRows(codebook.value).indices(of: latents.value)
        tape.lap("nearest codes")
        let commitment = tape.commitmentLoss(
            latents, codebook: codebook, codes: codes, beta: Float(shape.beta), scale: commitmentScale)
        let vectors = tape.straightThrough(
            latents, codebook: codebook, codes: codes, synchronisation: Float(shape.synchronisation))
        return Output(vectors: vectors, codes: codes, commitment: commitment)
    }

    /// Sets a code so that the affine map returns a latent vector, `[dimension]`.
    package func setCode(_ code: Int, to latent: some Collection<Float>) {
        invariant(
            latent.count == shape.dimension,
            "a latent vector of \(latent.count) values for codes of \(shape.dimension)")
        let (scale, bias, rate) = (scale.variable.value, bias.variable.value, Float(shape.affineRate))
        let row = codes.variable.value.rows(code..<code + 1)
        for (i, value) in latent.enumerated() {
            // Limits the code in a channel whose factor is almost zero.
            let factor = 1 + rate * scale.buffer[i]
            row.buffer[i] = (value - rate * bias.buffer[i]) / (abs(factor) < 1e-3 ? 1e-3 : factor)
        }
    }
}

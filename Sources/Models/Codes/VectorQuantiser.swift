import NN
import System
import Tensors

/// A learned code book: every latent vector becomes its nearest code (van den Oord et al., arXiv:1711.00937),
/// with an affine map shared by all codes and a synchronised update of the codes (Huh et al.,
/// arXiv:2305.08842).
package struct VectorQuantiser {
    /// What determines the code book and how it learns.
    package struct Shape: Sendable, Equatable {
        /// The number of codes.
        package var codes: Int
        /// The width of a latent vector and a code.
        package var dimension: Int
        /// The share of the commitment loss that moves the codes; the rest moves the latents.
        package var beta: Double
        /// ν: what the gradient of the reconstruction counts for the codes.
        package var synchronisation: Double
        /// How much faster than others the affine map learns.
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

    /// Latents that have become codes.
    package struct Output {
        /// The code vector of each token, `[tokens, dimension]`.
        package let vectors: Variable
        /// The code of each token.
        package let codes: [Int32]
        /// The sum over tokens of the mean squared difference of latent and code.
        package let commitment: Double
    }

    /// The shape it was made with.
    package let shape: Shape
    private let codes: ParameterSlot
    private let scale: ParameterSlot
    private let bias: ParameterSlot

    /// The affine map starts as the identity.
    package init(_ shape: Shape, in scope: ParameterScope) {
        self.shape = shape
        codes = scope.parameter("codes", shape: [shape.codes, shape.dimension], .normal(deviation: 1))
        scale = scope.parameter("affine.scale", shape: [shape.dimension], .constant(0))
        bias = scope.parameter("affine.bias", shape: [shape.dimension], .constant(0))
    }

    /// The codes behind the affine map, `[codes, dimension]`: (1 + r · scale) ⊙ codes + r · bias.
    package var codebook: Tensor { codebook(on: Tape(recording: false)).value }

    private func codebook(on tape: Tape) -> Variable {
        tape.affineCodes(
            codes.variable, scale: scale.variable, bias: bias.variable, rate: Float(shape.affineRate))
    }

    /// The nearest code of each latent vector, `[tokens, dimension]`.
    package func nearestCodes(_ latents: Tensor) -> [Int32] {
        NearestRows(codebook).indices(of: latents)
    }

    /// Replaces latents, `[tokens, dimension]`, by their nearest codes.
    ///
    /// - Parameter commitmentScale: what the gradient of the summed commitment loss counts in the total loss.
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

    /// Moves a code to where it stands for a latent vector: the affine map gives that vector from now on.
    package func setCode(_ code: Int, to latent: some Collection<Float>) {
        invariant(latent.count == shape.dimension, "a latent vector of \(latent.count) values")
        let (scale, bias, rate) = (scale.variable.value, bias.variable.value, Float(shape.affineRate))
        let row = codes.variable.value.rows(code..<code + 1)
        for (i, value) in latent.enumerated() {
            // A channel that the affine map has all but closed cannot be reached; its codes stay in bounds.
            let factor = 1 + rate * scale.buffer[i]
            row.buffer[i] = (value - rate * bias.buffer[i]) / (abs(factor) < 1e-3 ? 1e-3 : factor)
        }
    }
}

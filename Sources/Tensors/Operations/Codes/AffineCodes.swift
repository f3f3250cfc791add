internal import CKernels
import System

// K codes, D channels, r a rate; c codes [K, D], s scale, b bias [D], e codebook [K, D]
//
//   e = (1 + r s) ⊙ c + r b
//   dc = (1 + r s) ⊙ de      ds = r Σ_k de ⊙ c      db = r Σ_k de
extension Tape {
    /// The codebook as an affine map of codes, the same for all (Huh et al., arXiv:2305.08842):
    /// e = (1 + rate · scale) ⊙ codes + rate · bias.
    ///
    /// - Parameters:
    ///   - codes: `[codes, channels]`.
    ///   - scale: one value for each channel, as `bias`.
    ///   - rate: a factor of the learning rate of scale and bias.
    package func affineCodes(_ codes: Variable, scale: Variable, bias: Variable, rate: Float) -> Variable {
        let (count, channels) = (codes.value.rows, codes.value.columns)
        invariant(
            scale.shape == [channels] && bias.shape == [channels], "scale and bias have one value for each channel")
        let y = Tensor(shape: codes.shape)
        ck_affine_codes(
            y.pointer, codes.value.pointer, scale.value.pointer, bias.value.pointer, rate, Int64(count),
            Int64(channels))
        return record("affine codes", y, from: [codes, scale, bias]) { dy in
            let dcodes = Tensor(shape: codes.shape)
            let dscale = Tensor(repeating: 0, shape: [channels])
            let dbias = Tensor(repeating: 0, shape: [channels])
            ck_affine_codes_backward(
                dcodes.pointer, dscale.pointer, dbias.pointer, dy.pointer, codes.value.pointer,
                scale.value.pointer, rate, Int64(count), Int64(channels))
            codes.add(gradient: dcodes)
            scale.add(gradient: dscale)
            bias.add(gradient: dbias)
        }
    }
}

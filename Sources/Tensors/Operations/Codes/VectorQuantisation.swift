internal import CKernels
import System

// T tokens, K codes, D channels; z latents [T, D], e codebook [K, D], k_t code of token t; r a rate
//
//   affine codes:      e = (1 + r s) ⊙ c + r b     dc = (1 + r s) ⊙ de   ds = r Σ_k de ⊙ c   db = r Σ_k de
//   straight-through:  y[t] = e[k_t]               dz = dy               de[k] = ν Σ_{t: k_t = k} dy[t] commitment:
//   Σ_t [(1 − β) d(z_t, sg e[k_t]) + β d(sg z_t, e[k_t])],  d(a, b) = Σ (a − b)² / D, sg: no gradient
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

    /// Replaces latents by their codes. The gradient passes to the latents unchanged (straight-through estimator, van
    /// den Oord et al., arXiv:1711.00937), and multiplied by `synchronisation` to the codes (ν of arXiv:2305.08842).
    ///
    /// - Parameters:
    ///   - latents: `[tokens, channels]`.
    ///   - codebook: `[codes, channels]`.
    ///   - codes: the code of each token.
    package func straightThrough(
        _ latents: Variable, codebook: Variable, codes: [Int32], synchronisation: Float
    ) -> Variable {
        let (tokens, channels, count) = (latents.value.rows, latents.value.columns, codebook.value.rows)
        checkCodes(latents, codebook, codes)
        let y = Tensor(shape: latents.shape)
        ck_gather_rows(y.pointer, codebook.value.pointer, codes, Int64(tokens), Int64(channels))
        return record("straight-through", y, from: [latents, codebook]) { dy in
            if codebook.requiresGradient, synchronisation != 0 {
                let sums = Tensor(repeating: 0, shape: codebook.shape)
                let factors = Tensor(repeating: synchronisation, shape: [count])
                ck_scatter_add_rows(
                    sums.pointer, dy.pointer, codes, Int64(tokens), Int64(channels), 0, Int64(channels))
                let dcodebook = Tensor(shape: codebook.shape)
                ck_scale_rows(dcodebook.pointer, sums.pointer, factors.pointer, Int64(count), Int64(channels))
                withExtendedLifetime((sums, factors)) { codebook.add(gradient: dcodebook) }
            }
            latents.add(gradient: dy)
        }
    }

    /// The summed commitment loss (arXiv:1711.00937, with the mean over channels as distance): a fraction β of its
    /// gradient goes to the codes, 1 − β to the latents.
    ///
    /// - Parameter scale: the weight of this sum in the total loss, for its gradient; 0 for none.
    /// - Returns: the sum over tokens of the mean squared difference of latent and code.
    package func commitmentLoss(
        _ latents: Variable, codebook: Variable, codes: [Int32], beta: Float, scale: Float
    ) -> Double {
        let (tokens, channels) = (latents.value.rows, latents.value.columns)
        checkCodes(latents, codebook, codes)
        let factor = 2 * scale / Float(channels)
        let dlatents = differentiates(latents) && scale != 0 ? Tensor(shape: latents.shape) : nil
        let dcodebook = differentiates(codebook) && scale != 0
            ? Tensor(repeating: 0, shape: codebook.shape) : nil
        let loss = ck_commitment(
            dlatents?.pointer, dcodebook?.pointer, latents.value.pointer, codebook.value.pointer, codes,
            factor * (1 - beta), factor * beta, Int64(tokens), Int64(channels))
        if let dlatents { latents.add(gradient: dlatents) }
        if let dcodebook { codebook.add(gradient: dcodebook) }
        lap("commitment")
        return loss
    }

    private func checkCodes(_ latents: Variable, _ codebook: Variable, _ codes: [Int32]) {
        let (tokens, count) = (latents.value.rows, codebook.value.rows)
        invariant(latents.value.columns == codebook.value.columns, "latents and codes differ in width")
        invariant(codes.count == tokens, "\(codes.count) codes for \(tokens) tokens")
        invariant(codes.allSatisfy { $0 >= 0 && $0 < count }, "a code is outside 0..<\(count)")
    }
}

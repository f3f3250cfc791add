internal import CKernels
import System

// T tokens, K codes, D channels; z latents [T, D], e codebook [K, D], k_t code of token t, ν the synchronisation
//
//   y[t] = e[k_t]      y [T, D]
//   dz = dy            de[k] = ν Σ_{t: k_t = k} dy[t]
extension Tape {
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
        let (tokens, channels) = (latents.value.rows, latents.value.columns)
        checkCodes(latents, codebook, codes)
        let y = Tensor(shape: latents.shape)
        ck_gather_rows(y.pointer, codebook.value.pointer, codes, Int64(tokens), Int64(channels))
        return record("straight-through", y, from: [latents, codebook]) { dy in
            if codebook.requiresGradient, synchronisation != 0 {
                let sums = Tensor(repeating: 0, shape: codebook.shape)
                ck_scatter_add_rows(
                    sums.pointer, dy.pointer, codes, Int64(tokens), Int64(channels), 0, Int64(channels))
                let dcodebook = Tensor(shape: codebook.shape)
                ck_scaled(dcodebook.pointer, sums.pointer, synchronisation, Int64(sums.count))
                withExtendedLifetime(sums) { codebook.add(gradient: dcodebook) }
            }
            latents.add(gradient: dy)
        }
    }

    /// Checks that there is one valid code for each latent vector.
    func checkCodes(_ latents: Variable, _ codebook: Variable, _ codes: [Int32]) {
        let (tokens, count) = (latents.value.rows, codebook.value.rows)
        invariant(latents.value.columns == codebook.value.columns, "latents and codes differ in width")
        invariant(codes.count == tokens, "\(codes.count) codes for \(tokens) tokens")
        invariant(codes.allSatisfy { $0 >= 0 && $0 < count }, "a code is outside 0..<\(count)")
    }
}

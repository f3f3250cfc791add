internal import CKernels

// T tokens, K codes, D channels; z latents [T, D], e codebook [K, D], k_t code of token t; sg: no gradient
//
//   loss = Σ_t [(1 − β) d(z_t, sg e[k_t]) + β d(sg z_t, e[k_t])],  d(a, b) = Σ (a − b)² / D
//   dz_t = scale · 2 (1 − β) (z_t − e[k_t]) / D      de[k] = scale · 2 β Σ_{t: k_t = k} (e[k] − z_t) / D
extension Tape {
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
        let dcodebook =
            differentiates(codebook) && scale != 0
            ? Tensor(repeating: 0, shape: codebook.shape) : nil
        let loss = ck_commitment(
            dlatents?.pointer, dcodebook?.pointer, latents.value.pointer, codebook.value.pointer, codes,
            factor * (1 - beta), factor * beta, Int64(tokens), Int64(channels))
        if let dlatents { latents.add(gradient: dlatents) }
        if let dcodebook { codebook.add(gradient: dcodebook) }
        lap("commitment")
        return loss
    }
}

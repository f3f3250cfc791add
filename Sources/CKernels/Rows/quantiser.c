#include "CKernels.h"
#include "clones.h"

CLONES void ck_affine_codes(float *restrict y, const float *restrict codes, const float *restrict scale,
                            const float *restrict bias, float rate, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < cols; i++)
            y[r * cols + i] = (1.0f + rate * scale[i]) * codes[r * cols + i] + rate * bias[i];
}

CLONES void ck_affine_codes_backward(float *restrict dcodes, float *restrict dscale, float *restrict dbias,
                                     const float *restrict dy, const float *restrict codes, const float *restrict scale,
                                     float rate, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float *g = dy + r * cols, *c = codes + r * cols;
        float *out = dcodes + r * cols;
        for (int64_t i = 0; i < cols; i++) {
            out[i] = (1.0f + rate * scale[i]) * g[i];
            dscale[i] += rate * g[i] * c[i];
            dbias[i] += rate * g[i];
        }
    }
}

CLONES double ck_commitment(float *restrict dlatents, float *restrict dcodes, const float *restrict latents,
                            const float *restrict codes, const int32_t *restrict index, float latent_factor,
                            float code_factor, int64_t rows, int64_t cols) {
    double sum = 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *z = latents + r * cols, *c = codes + (int64_t)index[r] * cols;
        float squares = 0;
#pragma omp simd reduction(+ : squares)
        for (int64_t i = 0; i < cols; i++) squares += (z[i] - c[i]) * (z[i] - c[i]);
        sum += (double)squares;
        if (dlatents)
            for (int64_t i = 0; i < cols; i++) dlatents[r * cols + i] = latent_factor * (z[i] - c[i]);
        if (dcodes) {
            float *out = dcodes + (int64_t)index[r] * cols;
            for (int64_t i = 0; i < cols; i++) out[i] += code_factor * (c[i] - z[i]);
        }
    }
    return sum / (double)cols;
}

#include <math.h>

#include "CKernels.h"
#include "clones.h"

CLONES double ck_cross_entropy(float *dlogits, const float *logits, const int32_t *target, const float *class_weights,
                               float smoothing, float factor, int64_t rows, int64_t cols) {
    double loss = 0;
    float even = smoothing / (float)cols, weight_sum = (float)cols;
    if (class_weights) {
        weight_sum = 0;
        for (int64_t i = 0; i < cols; i++) weight_sum += class_weights[i];
    }
    for (int64_t r = 0; r < rows; r++) {
        const float *row = logits + r * cols;
        int32_t t = target[r];
        float top = row_maximum(row, cols), sum = 0, weighted = 0;
        if (class_weights) {
#pragma omp simd reduction(+ : weighted)
            for (int64_t i = 0; i < cols; i++) weighted += class_weights[i] * row[i];
        } else {
#pragma omp simd reduction(+ : weighted)
            for (int64_t i = 0; i < cols; i++) weighted += row[i];
        }
        float wanted = row[t];
        float *out = dlogits ? dlogits + r * cols : 0;
        if (out) {  // store the exponentials: up to a factor they are the gradient
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < cols; i++) {
                float e = fast_exp(row[i] - top);
                out[i] = e;
                sum += e;
            }
        } else {
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < cols; i++) sum += fast_exp(row[i] - top);
        }
        double log_norm = (double)top + log((double)sum);
        float at = (1.0f - smoothing) * (class_weights ? class_weights[t] : 1.0f);
        loss += (double)at * (log_norm - (double)wanted)
            + (double)even * ((double)weight_sum * log_norm - (double)weighted);
        if (!out) continue;
        // ∂/∂logit_c = p_c · (at + even · Σw) − even · w_c − at · [c = t]
        float p_factor = factor * (at + even * weight_sum) / sum, even_factor = factor * even;
        if (class_weights) {
            for (int64_t i = 0; i < cols; i++) out[i] = p_factor * out[i] - even_factor * class_weights[i];
        } else {
            for (int64_t i = 0; i < cols; i++) out[i] = p_factor * out[i] - even_factor;
        }
        out[t] -= factor * at;
    }
    return loss;
}

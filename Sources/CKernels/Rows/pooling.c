#include "CKernels.h"
#include "clones.h"

CLONES void ck_weighted_pooling(float *restrict y, float *restrict weight, const float *restrict x,
                                const float *restrict score, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < cols; i++) y[i] = 0;
    if (rows == 0) return;
    float top = row_maximum(score, rows), sum = 0;
    for (int64_t r = 0; r < rows; r++) weight[r] = fast_exp(score[r] - top);
    for (int64_t r = 0; r < rows; r++) sum += weight[r];
    for (int64_t r = 0; r < rows; r++) {
        weight[r] /= sum;
        for (int64_t i = 0; i < cols; i++) y[i] += weight[r] * x[r * cols + i];
    }
}

CLONES void ck_weighted_pooling_backward(float *restrict dx, float *restrict dscore, const float *restrict dy,
                                         const float *restrict x, const float *restrict weight, int accumulate,
                                         int64_t rows, int64_t cols) {
    float mean = 0;
    for (int64_t r = 0; r < rows; r++) {
        float product = 0;
#pragma omp simd reduction(+ : product)
        for (int64_t i = 0; i < cols; i++) product += dy[i] * x[r * cols + i];
        dscore[r] = product;
        mean += weight[r] * product;
    }
    for (int64_t r = 0; r < rows; r++) {
        dscore[r] = weight[r] * (dscore[r] - mean);
        if (!dx) continue;
        float *out = dx + r * cols;
        if (accumulate) {
            for (int64_t i = 0; i < cols; i++) out[i] += weight[r] * dy[i];
        } else {
            for (int64_t i = 0; i < cols; i++) out[i] = weight[r] * dy[i];
        }
    }
}

#include <math.h>

#include "CKernels.h"
#include "clones.h"

CLONES void ck_pair_distances(float *restrict y, const float *restrict x, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = i + 1; j < rows; j++, y += cols)
            for (int64_t c = 0; c < cols; c++) y[c] = fabsf(x[i * cols + c] - x[j * cols + c]);
}

CLONES void ck_pair_distances_backward(float *restrict dx, const float *restrict dy, const float *restrict x,
                                       int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = i + 1; j < rows; j++, dy += cols) {
            float *to_i = dx + i * cols, *to_j = dx + j * cols;
            const float *x_i = x + i * cols, *x_j = x + j * cols;
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) {
                float d = x_i[c] - x_j[c], g = d > 0 ? dy[c] : (d < 0 ? -dy[c] : dy[c] * d);  // propagates NaN
                to_i[c] += g;
                to_j[c] -= g;
            }
        }
}

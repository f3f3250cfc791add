#include <math.h>

#include "CKernels.h"
#include "clones.h"

CLONES void ck_layer_norm(float *restrict y, float *restrict mean, float *restrict rstd, const float *restrict x,
                          const float *restrict weight, const float *restrict bias, float epsilon, int64_t rows,
                          int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * cols;
        float *out = y + r * cols;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < cols; i++) sum += row[i];
        float mu = sum / (float)cols;
        float squares = 0;
#pragma omp simd reduction(+ : squares)
        for (int64_t i = 0; i < cols; i++) squares += (row[i] - mu) * (row[i] - mu);
        float inverse = 1.0f / sqrtf(squares / (float)cols + epsilon);
        mean[r] = mu;
        rstd[r] = inverse;
        for (int64_t i = 0; i < cols; i++) out[i] = (row[i] - mu) * inverse * weight[i] + bias[i];
    }
}

CLONES void ck_layer_norm_backward(float *restrict dx, float *restrict dweight, float *restrict dbias,
                                   const float *restrict dy, const float *restrict x, const float *restrict mean,
                                   const float *restrict rstd, const float *restrict weight, int accumulate,
                                   int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * cols, *g = dy + r * cols;
        float *out = dx + r * cols;
        float mu = mean[r], inverse = rstd[r], sum = 0, projected = 0;
#pragma omp simd reduction(+ : sum, projected)
        for (int64_t i = 0; i < cols; i++) {
            float normalised = (row[i] - mu) * inverse, weighted = g[i] * weight[i];
            dweight[i] += g[i] * normalised;
            dbias[i] += g[i];
            sum += weighted;
            projected += weighted * normalised;
        }
        sum /= (float)cols;
        projected /= (float)cols;
        if (accumulate) {
            for (int64_t i = 0; i < cols; i++)
                out[i] += inverse * (g[i] * weight[i] - sum - (row[i] - mu) * inverse * projected);
        } else {
            for (int64_t i = 0; i < cols; i++)
                out[i] = inverse * (g[i] * weight[i] - sum - (row[i] - mu) * inverse * projected);
        }
    }
}

CLONES void ck_swiglu(float *restrict y, const float *restrict x, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float *gate = x + r * 2 * cols, *value = gate + cols;
        float *out = y + r * cols;
        for (int64_t i = 0; i < cols; i++) out[i] = gate[i] * sigmoid(gate[i]) * value[i];
    }
}

CLONES void ck_swiglu_backward(float *restrict dx, const float *restrict dy, const float *restrict x, int accumulate,
                               int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float *gate = x + r * 2 * cols, *value = gate + cols, *g = dy + r * cols;
        float *dgate = dx + r * 2 * cols, *dvalue = dgate + cols;
        if (accumulate) {
            for (int64_t i = 0; i < cols; i++) {
                float s = sigmoid(gate[i]), silu = gate[i] * s;
                dgate[i] += g[i] * value[i] * (s + silu * (1.0f - s));
                dvalue[i] += g[i] * silu;
            }
        } else {
            for (int64_t i = 0; i < cols; i++) {
                float s = sigmoid(gate[i]), silu = gate[i] * s;
                dgate[i] = g[i] * value[i] * (s + silu * (1.0f - s));
                dvalue[i] = g[i] * silu;
            }
        }
    }
}

CLONES void ck_residual(float *restrict y, const float *restrict x, const float *restrict branch,
                        const float *restrict scale, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float *a = x + r * cols, *b = branch + r * cols;
        float *out = y + r * cols;
        if (scale) {
            for (int64_t i = 0; i < cols; i++) out[i] = a[i] + scale[i] * b[i];
        } else {
            for (int64_t i = 0; i < cols; i++) out[i] = a[i] + b[i];
        }
    }
}

CLONES void ck_residual_backward(float *restrict dbranch, float *restrict dscale, const float *restrict dy,
                                 const float *restrict branch, const float *restrict scale, int64_t rows,
                                 int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float *g = dy + r * cols, *b = branch + r * cols;
        float *out = dbranch + r * cols;
        for (int64_t i = 0; i < cols; i++) {
            out[i] = g[i] * scale[i];
            dscale[i] += g[i] * b[i];
        }
    }
}

CLONES void ck_scale_columns(float *y, const float *x, const float *restrict scale, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < cols; i++) y[r * cols + i] = scale[i] * x[r * cols + i];
}

CLONES void ck_scale_rows_backward(float *restrict dx, float *restrict dscale, const float *restrict dy,
                                   const float *restrict x, const float *restrict scale, int accumulate, int64_t rows,
                                   int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float *g = dy + r * cols, *row = x + r * cols;
        float *out = dx + r * cols;
        float factor = scale[r], sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < cols; i++) sum += g[i] * row[i];
        dscale[r] += sum;
        if (accumulate) {
            for (int64_t i = 0; i < cols; i++) out[i] += factor * g[i];
        } else {
            for (int64_t i = 0; i < cols; i++) out[i] = factor * g[i];
        }
    }
}

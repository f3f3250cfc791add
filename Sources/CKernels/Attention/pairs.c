#include <float.h>
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

/// sinh x, to 2e-7 of the value also where it is small.
INLINE float fast_sinh(float x) {
    float z = x * x, e = fast_exp(x);
    float small = x * (1 + z / 6 * (1 + z / 20 * (1 + z / 42 * (1 + z / 72))));
    return z < 1 ? small : 0.5f * (e - 1 / e);
}

/// sin x for |x| ≤ π / 2.
INLINE float small_sin(float x) {
    float z = x * x;
    return x * (1 - z / 6 * (1 - z / 20 * (1 - z / 42 * (1 - z / 72 * (1 - z / 110 * (1 - z / 156))))));
}

enum { COLUMNS = 256 };

CLONES void ck_pair_features(float *restrict y, const float *restrict momenta, const int32_t *features, int64_t count,
                             int64_t rows) {
    const float least = 1e-8f;
    float values[4][COLUMNS];
    for (int64_t i = 0; i < rows; i++) {
        const float *a = momenta + 4 * i;
        for (int64_t first = i; first < rows; first += COLUMNS) {
            int64_t columns = rows - first < COLUMNS ? rows - first : COLUMNS;
            const float *partners = momenta + 4 * first;
            for (int64_t j = 0; j < columns; j++) {
                const float *b = partners + 4 * j;
                float dy = a[1] - b[1], dphi = a[2] - b[2];
                const float shifter = 12582912.0f;  // adding it rounds to the nearest integer
                float turns = dphi * 0.159154943f + shifter;
                turns -= shifter;
                dphi = dphi - turns * 6.28125f - turns * 1.93530717959e-3f;
                float dr = sqrtf(dy * dy + dphi * dphi), lower = a[0] < b[0] ? a[0] : b[0], sum = a[0] + b[0];
                float sinh = fast_sinh(0.5f * dy), sine = small_sin(0.5f * dphi);
                float pt = a[0] * b[0], pt_a = a[0] * a[0], pt_b = b[0] * b[0];
                float mt = sqrtf((pt_a + a[3]) * (pt_b + b[3])), all = mt + pt;
                float rest = (a[3] * pt_b + b[3] * pt_a + a[3] * b[3]) / (all > FLT_MIN ? all : FLT_MIN);
                float m2 = a[3] + b[3] + 4 * (mt * sinh * sinh + pt * sine * sine) + 2 * rest;
                float kt = lower * dr, z = lower / (sum > FLT_MIN ? sum : FLT_MIN);
                values[0][j] = fast_log(dr < least ? least : dr);
                values[1][j] = fast_log(kt < least ? least : kt);
                values[2][j] = fast_log(z < least ? least : z);
                values[3][j] = fast_log(m2 < least ? least : m2);
            }
            for (int64_t j = 0; j < columns; j++, y += count)
                for (int64_t f = 0; f < count; f++) y[f] = values[features[f]][j];
        }
    }
}

void ck_spread_pairs(float *restrict to, const float *restrict pairs, int64_t heads, int64_t in_front, int64_t rows) {
    int64_t n = in_front + rows, wide = padded(n);
    for (int64_t i = 0; i < heads * n * wide; i++) to[i] = 0;
    for (int64_t i = in_front; i < n; i++)
        for (int64_t j = i; j < n; j++, pairs += heads)
            for (int64_t head = 0; head < heads; head++) {
                float *matrix = to + head * n * wide;
                matrix[i * wide + j] = matrix[j * wide + i] = pairs[head];
            }
}

void ck_gather_pairs(float *restrict pairs, const float *restrict from, int accumulate, int64_t heads,
                     int64_t in_front, int64_t rows) {
    int64_t n = in_front + rows, wide = padded(n);
    for (int64_t i = in_front; i < n; i++)
        for (int64_t j = i; j < n; j++, pairs += heads)
            for (int64_t head = 0; head < heads; head++) {
                const float *matrix = from + head * n * wide;
                float sum = matrix[i * wide + j] + (i == j ? 0 : matrix[j * wide + i]);
                pairs[head] = accumulate ? pairs[head] + sum : sum;
            }
}

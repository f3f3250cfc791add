// Attention of one head of one jet. The matrices are so small (tens of tokens, tens of channels) that a BLAS call costs
// more than the product, so the products are computed here, on operands padded to whole vectors.
//
// n queries, m keys, d channels; N and D are n and d rounded up to a multiple of 16. Scores and probabilities are
// stored transposed, [key, query], [m, N]: the softmax then runs over columns, one query per lane, and needs no sums
// across a vector. The lanes beyond n contain values that are never read.
//
// In causal attention the lanes of later keys are skipped: their probabilities are exactly zero, whatever their scores.
#include "CKernels.h"
#include "vectors.h"

void ck_prefetch(ck_matrix x, int64_t rows, int64_t columns) {
    int64_t size = x.is_narrow ? 2 : 4;
    for (int64_t i = 0; i < rows; i++) {
        const char *from = (const char *)x.values + i * x.stride * size, *end = from + columns * size;
        for (; from < end; from += 64) __builtin_prefetch(from, 0, 2);
    }
}

/// C [m, columns] = A B with a(i, l) = a[i · row + l · col]; columns is a multiple of 16.
INLINE void product(float *restrict c, int64_t ldc, const float *restrict a, int64_t row, int64_t col,
                    const float *restrict b, int64_t ldb, int64_t m, int64_t columns, int64_t k) {
    ck_block_product(c, ldc, (ck_epilogue){0}, a, row, col, b, ldb, m, columns, k);
}

/// Rows of d channels padded to whole vectors: the rows themselves if d is a multiple of 16, otherwise a copy.
typedef struct {
    const float *rows;
    int64_t stride;
} Rows;

INLINE Rows whole_rows(const float *from, int64_t stride, float *restrict scratch, int64_t n, int64_t d) {
    if (d % 16 == 0) return (Rows){from, stride};
    int64_t wide = padded(d);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < d; c++) scratch[i * wide + c] = from[i * stride + c];
        for (int64_t c = d; c < wide; c++) scratch[i * wide + c] = 0;
    }
    return (Rows){scratch, wide};
}

/// to [n, d] = A B with B [k, d]; uses `scratch` if d is not a multiple of 16.
INLINE void product_rows(float *restrict to, int64_t stride, const float *restrict a, int64_t row, int64_t col, Rows b,
                         float *restrict scratch, int64_t n, int64_t d, int64_t k) {
    if (d % 16 == 0) {
        product(to, stride, a, row, col, b.rows, b.stride, n, d, k);
        return;
    }
    int64_t wide = padded(d);
    product(scratch, wide, a, row, col, b.rows, b.stride, n, wide, k);
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < d; c++) to[i * stride + c] = scratch[i * wide + c];
}

INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t ck_attention_scratch(int64_t n, int64_t m, int64_t d) {
    return m * padded(n) + d * padded(n) + 2 * larger(n, m) * padded(d);
}

/// p [m, wide] = softmax(scale · p) over its rows.
INLINE void softmax(float *restrict p, float scale, int64_t m, int64_t wide) {
    for (int64_t i = 0; i < wide; i += 16) {
        float top[16], sum[16];
        for (int lane = 0; lane < 16; lane++) {
            top[lane] = p[i + lane];
            sum[lane] = 0;
        }
        for (int64_t j = 1; j < m; j++)
            for (int lane = 0; lane < 16; lane++) {
                float s = p[j * wide + i + lane];
                top[lane] = s > top[lane] ? s : top[lane];
            }
        for (int64_t j = 0; j < m; j++)
            for (int lane = 0; lane < 16; lane++) {
                float e = fast_exp(scale * (p[j * wide + i + lane] - top[lane]));
                p[j * wide + i + lane] = e;
                sum[lane] += e;
            }
        for (int lane = 0; lane < 16; lane++) sum[lane] = 1.0f / sum[lane];
        for (int64_t j = 0; j < m; j++)
            for (int lane = 0; lane < 16; lane++) p[j * wide + i + lane] *= sum[lane];
    }
}

/// The same for the rows j ≤ i of each column i; the others become zero.
INLINE void causal_softmax(float *restrict p, float scale, int64_t m, int64_t wide) {
    for (int64_t i = 0; i < wide; i += 16) {
        int64_t seen = i + 16 < m ? i + 16 : m;  // keys of the last lane
        float top[16], sum[16];
        for (int lane = 0; lane < 16; lane++) {
            top[lane] = p[i + lane];
            sum[lane] = 0;
        }
        for (int64_t j = 1; j < seen; j++)
            for (int lane = 0; lane < 16; lane++) {
                float s = p[j * wide + i + lane];
                top[lane] = s > top[lane] && j <= i + lane ? s : top[lane];
            }
        for (int64_t j = 0; j < seen; j++)
            for (int lane = 0; lane < 16; lane++) {
                float e = j <= i + lane ? fast_exp(scale * (p[j * wide + i + lane] - top[lane])) : 0;
                p[j * wide + i + lane] = e;
                sum[lane] += e;
            }
        for (int lane = 0; lane < 16; lane++) sum[lane] = 1.0f / sum[lane];
        for (int64_t j = 0; j < seen; j++)
            for (int lane = 0; lane < 16; lane++) p[j * wide + i + lane] *= sum[lane];
        for (int64_t j = seen; j < m; j++)
            for (int lane = 0; lane < 16; lane++) p[j * wide + i + lane] = 0;
    }
}

CLONES void ck_attention(float *restrict y, int64_t y_stride, float *restrict p, ck_attention_inputs in, float scale,
                         int64_t n, int64_t m, int64_t d, float *restrict scratch) {
    int64_t wide = padded(n);
    float *q_t = scratch, *v_rows = q_t + d * wide, *y_rows = v_rows + m * padded(d);
    copy_transposed(q_t, in.q, in.q_stride, n, d);
    product(p, wide, in.k, in.kv_stride, 1, q_t, wide, m, wide, d);
    if (in.bias) {
        for (int64_t i = 0; i < m * wide; i++) p[i] = scale * p[i] + in.bias[i];
        scale = 1;
    }
    if (in.is_causal) causal_softmax(p, scale, m, wide);
    else softmax(p, scale, m, wide);
    const float *weights = p;
    if (in.dropout.dropped) {
        float *kept = y_rows + n * padded(d);
        ck_drop_weights(kept, p, in.dropout, m, wide);
        weights = kept;
    }
    product_rows(y, y_stride, weights, 1, wide, whole_rows(in.v, in.kv_stride, v_rows, m, d), y_rows, n, d, m);
}

CLONES void ck_attention_backward(float *restrict dq, float *restrict dk, float *restrict dv, float *restrict dbias,
                                  const float *restrict dy, int64_t y_stride, const float *restrict p,
                                  ck_attention_inputs in, float scale, int64_t n, int64_t m, int64_t d,
                                  float *restrict scratch) {
    int64_t wide = padded(n);
    float *ds = scratch, *dy_t = ds + m * wide, *rows = dy_t + d * wide, *result = rows + larger(n, m) * padded(d);
    // dV = dropout(P)ᵀ dY
    const float *weights = p;
    if (in.dropout.dropped) {
        ck_drop_weights(ds, p, in.dropout, m, wide);
        weights = ds;
    }
    product_rows(dv, in.kv_stride, weights, wide, 1, whole_rows(dy, y_stride, rows, n, d), result, m, d, n);
    // dPᵀ = dropout(V dYᵀ), dB = P ⊙ (dP − Σ P ⊙ dP), dS = scale · dB
    copy_transposed(dy_t, dy, y_stride, n, d);
    product(ds, wide, in.v, in.kv_stride, 1, dy_t, wide, m, wide, d);
    if (in.dropout.dropped) ck_drop_weights(ds, ds, in.dropout, m, wide);
    for (int64_t i = 0; i < wide; i += 16) {
        float dot[16] = {0};
        for (int64_t j = 0; j < m; j++)
            for (int lane = 0; lane < 16; lane++) dot[lane] += ds[j * wide + i + lane] * p[j * wide + i + lane];
        for (int64_t j = 0; j < m; j++)
            for (int lane = 0; lane < 16; lane++) {
                int64_t at = j * wide + i + lane;
                ds[at] = scale * p[at] * (ds[at] - dot[lane]);
            }
    }
    if (dbias)
        for (int64_t j = 0; j < m; j++)
            for (int64_t i = 0; i < n; i++) dbias[j * wide + i] += ds[j * wide + i] / scale;
    // dQ = dS K, dK = dSᵀ Q
    product_rows(dq, in.q_stride, ds, 1, wide, whole_rows(in.k, in.kv_stride, rows, m, d), result, n, d, m);
    product_rows(dk, in.kv_stride, ds, wide, 1, whole_rows(in.q, in.q_stride, rows, n, d), result, m, d, n);
}

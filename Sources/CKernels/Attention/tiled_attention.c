// Attention of one head of a long set in tiles (FlashAttention, arXiv:2205.14135; arXiv:2307.08691): memory grows with
// the number of constituents, not with its square. The forward pass keeps the logarithm of the softmax's denominator
// for each query, from which the backward pass recomputes the probabilities.
//
// Scores of a tile are stored transposed, [key, query], as in attention.c. Operands are copied into contiguous rows of
// D floats, d rounded up to a multiple of 16: rows of all heads side by side would be a large power of two apart.
// All sums over keys and queries are added in ascending order of the tiles, so that the bits of a result do not depend
// on the ranges of queries and keys that a call covers.
#include <float.h>
#include <math.h>

#include "CKernels.h"
#include "vectors.h"

enum { QUERIES = CK_ATTENTION_QUERIES, KEYS = CK_ATTENTION_KEYS };

/// C [m, n] = A B or, if `add`, C += A B, with a(i, l) = a[i · row + l · col]; n is a multiple of 16.
INLINE void product(float *restrict c, int64_t ldc, bool add, const float *restrict a, int64_t row, int64_t col,
                    const float *restrict b, int64_t ldb, int64_t m, int64_t n, int64_t k) {
    ck_epilogue start = {.matrix = add ? c : 0, .stride = ldc};
    ck_block_product(c, ldc, start, a, row, col, b, ldb, m, n, k);
}

/// to [count, D] = the rows first … of a matrix, padded with zeros.
INLINE void read_rows(float *restrict to, ck_matrix from, int64_t first, int64_t count, int64_t d) {
    int64_t wide = padded(d);
    if (from.is_narrow) {
        ck_widen(to, wide, (const uint16_t *)from.values + first * from.stride, from.stride, count, d);
    } else {
        const float *rows = (const float *)from.values + first * from.stride;
        for (int64_t i = 0; i < count; i++)
            for (int64_t c = 0; c < d; c++) to[i * wide + c] = rows[i * from.stride + c];
    }
    if (wide > d)
        for (int64_t i = 0; i < count; i++)
            for (int64_t c = d; c < wide; c++) to[i * wide + c] = 0;
}

INLINE void write_rows(ck_matrix to, int64_t first, const float *restrict from, int64_t count, int64_t d) {
    int64_t wide = padded(d);
    if (to.is_narrow) {
        ck_narrow((uint16_t *)to.values + first * to.stride, to.stride, from, wide, count, d);
    } else {
        float *rows = (float *)to.values + first * to.stride;
        for (int64_t i = 0; i < count; i++)
            for (int64_t c = 0; c < d; c++) rows[i * to.stride + c] = from[i * wide + c];
    }
}

/// s [keys, wide] = scale · s + bias for a tile.
INLINE void add_bias(float *restrict s, const float *restrict bias, int64_t stride, float scale, int64_t keys,
                     int64_t wide) {
    for (int64_t j = 0; j < keys; j++)
        for (int64_t i = 0; i < wide; i++) s[j * wide + i] = scale * s[j * wide + i] + bias[j * stride + i];
}

/// Adds the scores of a tile to the running maxima and sums of its queries; they become exp(scale · (s − maximum)).
/// shrink = the factor of earlier sums. Key j is seen by the lanes i ≥ j + diagonal where the tile is `masked`.
INLINE void running_softmax(float *restrict s, float *restrict top, float *restrict sum, float *restrict shrink,
                            float scale, int64_t keys, int64_t wide, int64_t diagonal, bool masked) {
    for (int64_t i = 0; i < wide; i += 16) {
        float highest[16], total[16], before[16];
        for (int lane = 0; lane < 16; lane++) {
            before[lane] = top[i + lane];
            highest[lane] = before[lane];
            total[lane] = 0;
        }
        for (int64_t j = 0; j < keys; j++)
            for (int lane = 0; lane < 16; lane++) {
                float value = s[j * wide + i + lane];
                int seen = !masked || j + diagonal <= i + lane;
                highest[lane] = seen && value > highest[lane] ? value : highest[lane];
            }
        for (int64_t j = 0; j < keys; j++)
            for (int lane = 0; lane < 16; lane++) {
                float e = fast_exp(scale * (s[j * wide + i + lane] - highest[lane]));
                if (masked) e = j + diagonal <= i + lane ? e : 0;
                s[j * wide + i + lane] = e;
                total[lane] += e;
            }
        for (int lane = 0; lane < 16; lane++) {
            float factor = fast_exp(scale * (before[lane] - highest[lane]));
            shrink[i + lane] = factor;
            sum[i + lane] = sum[i + lane] * factor + total[lane];
            top[i + lane] = highest[lane];
        }
    }
}

int64_t ck_tiled_attention_scratch(int64_t d) {
    return d * QUERIES + 2 * KEYS * padded(d) + KEYS * QUERIES + QUERIES * padded(d) + 3 * QUERIES;
}

CLONES void ck_tiled_attention(ck_matrix y, float *restrict lse, ck_tiled_inputs in, int64_t first, int64_t count,
                               float *restrict scratch) {
    int64_t d = in.d, depth = padded(d), wide = padded(count);
    float *q_t = scratch, *k = q_t + d * QUERIES, *v = k + KEYS * depth, *s = v + KEYS * depth;
    float *sums = s + KEYS * QUERIES, *top = sums + QUERIES * depth, *sum = top + QUERIES, *shrink = sum + QUERIES;
    read_rows(sums, in.q, first, count, d);
    copy_transposed(q_t, sums, depth, count, d);
    for (int64_t i = 0; i < wide; i++) {
        top[i] = -FLT_MAX;
        sum[i] = 0;
    }
    float scale = in.bias ? 1 : in.scale;
    int64_t end = in.is_causal ? least(in.m, first + count) : in.m;
    for (int64_t j = 0; j < end; j += KEYS) {
        int64_t keys = least(KEYS, in.m - j);
        read_rows(k, in.k, j, keys, d);
        read_rows(v, in.v, j, keys, d);
        product(s, wide, false, k, depth, 1, q_t, wide, keys, wide, d);
        if (in.bias) add_bias(s, in.bias + j * in.bias_stride + first, in.bias_stride, in.scale, keys, wide);
        if (in.is_causal && j + keys - 1 > first)
            running_softmax(s, top, sum, shrink, scale, keys, wide, j - first, true);
        else
            running_softmax(s, top, sum, shrink, scale, keys, wide, 0, false);
        if (j > 0)
            for (int64_t i = 0; i < count; i++)
                for (int64_t c = 0; c < depth; c++) sums[i * depth + c] *= shrink[i];
        product(sums, depth, j > 0, s, 1, wide, v, depth, count, depth, keys);
    }
    for (int64_t i = 0; i < count; i++) {
        float inverse = 1.0f / sum[i];
        for (int64_t c = 0; c < depth; c++) sums[i * depth + c] *= inverse;
        lse[first + i] = scale * top[i] + logf(sum[i]);
    }
    write_rows(y, first, sums, count, d);
}

/// Copies of the queries of a tile, and sums over keys, for the whole backward pass.
typedef struct {
    float *rows, *transposed;        // Q and Qᵀ
    float *dy_rows, *dy_transposed;  // dY and dYᵀ
    float *dq;
    float *dot, *lse;  // Σ_c dY Y for each query, and the logarithm of the softmax's denominator
} Queries;

INLINE int64_t floats_of_queries(int64_t d) { return 3 * QUERIES * padded(d) + 2 * QUERIES * d + 2 * QUERIES; }

INLINE Queries queries_at(float *scratch, int64_t block, int64_t d) {
    int64_t rows = QUERIES * padded(d), columns = QUERIES * d;
    float *at = scratch + block * floats_of_queries(d);
    return (Queries){at, at + 3 * rows, at + rows, at + 3 * rows + columns, at + 2 * rows,
                     at + 3 * rows + 2 * columns, at + 3 * rows + 2 * columns + QUERIES};
}

int64_t ck_tiled_attention_backward_scratch(int64_t queries, int64_t d) {
    return (queries + QUERIES - 1) / QUERIES * floats_of_queries(d) + 4 * KEYS * padded(d) + 2 * KEYS * QUERIES;
}

INLINE void read_queries(Queries to, ck_tiled_inputs in, ck_matrix dy, ck_matrix y, const float *restrict lse,
                         int64_t first, int64_t count) {
    int64_t d = in.d, depth = padded(d);
    read_rows(to.rows, in.q, first, count, d);
    copy_transposed(to.transposed, to.rows, depth, count, d);
    read_rows(to.dy_rows, dy, first, count, d);
    copy_transposed(to.dy_transposed, to.dy_rows, depth, count, d);
    read_rows(to.dq, y, first, count, d);
    for (int64_t i = 0; i < QUERIES; i++) to.dot[i] = to.lse[i] = 0;
    for (int64_t i = 0; i < count; i++) {
        float lanes[16] = {0};
        for (int64_t c = 0; c < depth; c += 16)
            for (int lane = 0; lane < 16; lane++)
                lanes[lane] += to.dy_rows[i * depth + c + lane] * to.dq[i * depth + c + lane];
        for (int lane = 0; lane < 16; lane++) to.dot[i] += lanes[lane];
        to.lse[i] = lse[first + i];
    }
    for (int64_t i = 0; i < count * depth; i++) to.dq[i] = 0;
}

/// p = exp(scale · s − lse) and ds = p ⊙ (dp − dot), from s = p and dp = ds; key j is seen by the lanes
/// i ≥ j + diagonal where the tile is `masked`.
INLINE void recompute(float *restrict p, float *restrict ds, Queries q, float scale, int64_t keys, int64_t wide,
                      int64_t diagonal, bool masked) {
    for (int64_t i = 0; i < wide; i += 16)
        for (int64_t j = 0; j < keys; j++)
            for (int lane = 0; lane < 16; lane++) {
                int64_t at = j * wide + i + lane;
                float e = fast_exp(scale * p[at] - q.lse[i + lane]);
                if (masked) e = j + diagonal <= i + lane ? e : 0;
                p[at] = e;
                ds[at] = e * (ds[at] - q.dot[i + lane]);
            }
}

CLONES void ck_tiled_attention_backward(ck_tiled_gradients out, ck_matrix dy, ck_matrix y, const float *restrict lse,
                                        ck_tiled_inputs in, ck_tile_range queries, ck_tile_range keys,
                                        float *restrict scratch) {
    int64_t d = in.d, depth = padded(d);
    int64_t blocks = (queries.end - queries.start + QUERIES - 1) / QUERIES;
    float *k = scratch + blocks * floats_of_queries(d), *v = k + KEYS * depth;
    float *dk = v + KEYS * depth, *dv = dk + KEYS * depth, *p = dv + KEYS * depth, *ds = p + KEYS * QUERIES;
    for (int64_t block = 0; block < blocks; block++) {
        int64_t first = queries.start + block * QUERIES;
        read_queries(queries_at(scratch, block, d), in, dy, y, lse, first, least(QUERIES, queries.end - first));
    }
    for (int64_t j = keys.start; j < keys.end; j += KEYS) {
        int64_t rows = least(KEYS, keys.end - j);
        read_rows(k, in.k, j, rows, d);
        read_rows(v, in.v, j, rows, d);
        for (int64_t i = 0; i < rows * depth; i++) dk[i] = dv[i] = 0;
        for (int64_t block = 0; block < blocks; block++) {
            int64_t first = queries.start + block * QUERIES, count = least(QUERIES, queries.end - first);
            if (in.is_causal && j > first + count - 1) continue;
            int64_t wide = padded(count);
            Queries q = queries_at(scratch, block, d);
            product(p, wide, false, k, depth, 1, q.transposed, wide, rows, wide, d);
            if (in.bias) add_bias(p, in.bias + j * in.bias_stride + first, in.bias_stride, in.scale, rows, wide);
            product(ds, wide, false, v, depth, 1, q.dy_transposed, wide, rows, wide, d);
            float scale = in.bias ? 1 : in.scale;
            if (in.is_causal && j + rows - 1 > first) recompute(p, ds, q, scale, rows, wide, j - first, true);
            else recompute(p, ds, q, scale, rows, wide, 0, false);
            if (out.dbias)
                for (int64_t l = 0; l < rows; l++) {
                    float *to = out.dbias + (j + l) * in.bias_stride + first;
                    for (int64_t i = 0; i < count; i++) to[i] += ds[l * wide + i];
                }
            // dS carries no scale: dQ and dK are scaled when they are complete.
            if (out.dq.values) product(q.dq, depth, true, ds, 1, wide, k, depth, count, depth, rows);
            if (out.dk.values) {
                product(dv, depth, true, p, wide, 1, q.dy_rows, depth, rows, depth, count);
                product(dk, depth, true, ds, wide, 1, q.rows, depth, rows, depth, count);
            }
        }
        if (!out.dk.values) continue;
        for (int64_t i = 0; i < rows * depth; i++) dk[i] *= in.scale;
        write_rows(out.dk, j, dk, rows, d);
        write_rows(out.dv, j, dv, rows, d);
    }
    if (!out.dq.values) return;
    for (int64_t block = 0; block < blocks; block++) {
        int64_t first = queries.start + block * QUERIES, count = least(QUERIES, queries.end - first);
        float *dq = queries_at(scratch, block, d).dq;
        for (int64_t i = 0; i < count * depth; i++) dq[i] *= in.scale;
        write_rows(out.dq, first, dq, count, d);
    }
}

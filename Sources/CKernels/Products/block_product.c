// Single-precision products of small matrices, as in attention, on all processors: a tile of C stays in registers
// during the loop over the inner index. Large ones on AVX-512 are in product.c.
#include "CKernels.h"
#include "vectors.h"

/// Prefetch distance in rows for a transposed A, whose stride is too large for the hardware prefetcher.
enum { AHEAD = 16 };

/// One tile of `height` rows and `width` vectors of columns: 8 × 3 uses 24 of the 32 registers of AVX-512.
INLINE void tile(float *c, int64_t ldc, ck_epilogue epilogue, const float *restrict a, int64_t row, int64_t col,
                 const float *restrict b, int64_t ldb, int64_t k, int height, int width) {
    vector sum[8][3];
    // Unrolled, so that the sums stay in registers.
#pragma clang loop unroll(full)
    for (int i = 0; i < height; i++)
#pragma clang loop unroll(full)
        for (int j = 0; j < width; j++) {
            sum[i][j] = epilogue.row ? *(const vector *)(epilogue.row + 16 * j) : (vector){0};
            if (epilogue.matrix) __builtin_prefetch(epilogue.matrix + i * epilogue.stride + 16 * j);
            __builtin_prefetch(c + i * ldc + 16 * j, 1);
        }
    for (int64_t l = 0; l < k; l++) {
        vector right[3];
        for (int j = 0; j < width; j++) right[j] = *(const vector *)(b + l * ldb + 16 * j);
        if (row == 1) __builtin_prefetch(a + (l + AHEAD) * col);
        for (int i = 0; i < height; i++) {
            float left = a[i * row + l * col];
            for (int j = 0; j < width; j++) sum[i][j] += left * right[j];
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < height; i++)
#pragma clang loop unroll(full)
        for (int j = 0; j < width; j++) {
            if (epilogue.scale) sum[i][j] *= *(const vector *)(epilogue.scale + 16 * j);
            if (epilogue.matrix) sum[i][j] += *(const vector *)(epilogue.matrix + i * epilogue.stride + 16 * j);
            *(vector *)(c + i * ldc + 16 * j) = sum[i][j];
        }
}

/// All rows of `width` vectors of columns, in tiles of at most `tallest` (8 or 4) rows.
INLINE void column(float *c, int64_t ldc, ck_epilogue epilogue, const float *restrict a, int64_t row, int64_t col,
                   const float *restrict b, int64_t ldb, int64_t m, int64_t k, int tallest, int width) {
    int64_t i = 0;
#define TILE(HEIGHT) \
    tile(c + i * ldc, ldc, ck_epilogue_at(epilogue, i, 0), a + i * row, row, col, b, ldb, k, HEIGHT, width)
    for (; i + tallest <= m; i += tallest) TILE(tallest);
    LAST_ROWS(m - i, TILE);
#undef TILE
}

CLONES void ck_block_product(float *c, int64_t ldc, ck_epilogue epilogue, const float *restrict a, int64_t row,
                             int64_t col, const float *restrict b, int64_t ldb, int64_t m, int64_t n, int64_t k) {
    int wide = ck_vector_level() == 512;
    for (int64_t j = 0; j < n;) {
        ck_epilogue from = ck_epilogue_at(epilogue, 0, j);
        int width = wide ? ck_tile_vectors(n - j) : 1;
        if (width == 3) column(c + j, ldc, from, a, row, col, b + j, ldb, m, k, 8, 3);
        else if (width == 2) column(c + j, ldc, from, a, row, col, b + j, ldb, m, k, 8, 2);
        else if (wide) column(c + j, ldc, from, a, row, col, b + j, ldb, m, k, 8, 1);
        else column(c + j, ldc, from, a, row, col, b + j, ldb, m, k, 4, 1);
        j += 16 * width;
    }
}

int ck_tile_vectors(int64_t columns) {
    int64_t left = columns / 16;
    return left >= 5 || left == 3 ? 3 : left >= 2 ? 2 : 1;  // 4 = 2 + 2, because a single vector is slower
}

// Products of large matrices on processors with AVX-512. The operand that the tiles read repeatedly is packed into
// contiguous panels (Goto and van de Geijn, ACM Trans. Math. Softw. 34, 12, 2008); the other one is read in place. A
// library that packs both spends up to a fifth of its time on packing at widths of 64 to 256 channels.
#include "CKernels.h"
#include "clones.h"

typedef float vector __attribute__((vector_size(64), aligned(4)));

/// Block sizes in the inner index, rows of A and columns of B; measured for 2 MiB of second-level cache.
typedef struct {
    int64_t depth, rows, columns;
} Blocks;
static const Blocks rows_of_a = {512, 48, 384};
static const Blocks columns_of_a = {192, 64, 768};

/// to [depth, 16 · width] = b, with row stride `ldb`.
INLINE void pack_rows(float *restrict to, const float *restrict b, int64_t ldb, int64_t depth, int width) {
    for (int64_t l = 0; l < depth; l++)
        for (int j = 0; j < width; j++)
            *(vector *)(to + (l * width + j) * 16) = *(const vector *)(b + l * ldb + 16 * j);
}

/// to [depth, 16 · width] = bᵀ, with row stride `ldb` of b.
INLINE void pack_columns(float *restrict to, const float *restrict b, int64_t ldb, int64_t depth, int width) {
    int n = 16 * width;
    int64_t l = 0;
    for (; l + 16 <= depth; l += 16)
        for (int j = 0; j < n; j++)
            for (int e = 0; e < 16; e++) to[(l + e) * n + j] = b[j * ldb + l + e];
    for (; l < depth; l++)
        for (int j = 0; j < n; j++) to[l * n + j] = b[j * ldb + l];
}

CLONES static void pack(float *restrict to, const float *restrict b, int64_t ldb, int transposed, int64_t depth,
                        int width) {
    switch (transposed ? 4 + width : width) {
    case 1: pack_rows(to, b, ldb, depth, 1); break;
    case 2: pack_rows(to, b, ldb, depth, 2); break;
    case 3: pack_rows(to, b, ldb, depth, 3); break;
    case 5: pack_columns(to, b, ldb, depth, 1); break;
    case 6: pack_columns(to, b, ldb, depth, 2); break;
    case 7: pack_columns(to, b, ldb, depth, 3); break;
    }
}

int64_t ck_product_scratch(int transpose_a, int64_t n, int64_t k) {
    Blocks blocks = transpose_a ? columns_of_a : rows_of_a;
    return least(blocks.depth, k) * least(blocks.columns, n);
}

void ck_product(float *c, int64_t ldc, ck_epilogue epilogue, const float *restrict a, int64_t lda, int transpose_a,
                const float *restrict b, int64_t ldb, int transpose_b, int64_t m, int64_t n, int64_t k,
                float *restrict scratch) {
    Blocks blocks = transpose_a ? columns_of_a : rows_of_a;
    int64_t row = transpose_a ? 1 : lda, col = transpose_a ? lda : 1;
    for (int64_t first = 0; first < n; first += blocks.columns) {
        int64_t last = least(n, first + blocks.columns);
        for (int64_t l = 0; l < k; l += blocks.depth) {
            int64_t depth = least(k - l, blocks.depth);
            for (int64_t j = first; j < last;) {
                int width = ck_tile_vectors(last - j);
                pack(scratch + (j - first) * depth, transpose_b ? b + j * ldb + l : b + l * ldb + j, ldb, transpose_b,
                     depth, width);
                j += 16 * width;
            }
            ck_epilogue here = l == 0 ? epilogue
                                      : (ck_epilogue){.matrix = c, .stride = ldc, .scale = epilogue.scale};
            for (int64_t i = 0; i < m; i += blocks.rows) {
                int64_t rows = least(m - i, blocks.rows);
                // Each column of tiles prefetches every eighth of the next rows of A.
                const float *next = transpose_a || i + blocks.rows >= m ? 0 : a + (i + blocks.rows) * row + l;
                for (int64_t j = first; j < last; next = next ? next + row : 0) {
                    int width = ck_tile_vectors(last - j);
                    ck_block_product(c + i * ldc + j, ldc, ck_epilogue_at(here, i, j), a + i * row + l * col, row, col,
                                     scratch + (j - first) * depth, 16 * width, rows, 16 * width, depth,
                                     next);
                    j += 16 * width;
                }
            }
        }
    }
}

// Single-precision products of large matrices on processors with AVX-512. The operand that the tiles read repeatedly is
// packed into contiguous panels (Goto and van de Geijn, ACM Trans. Math. Softw. 34, 12, 2008). A is read in place where
// its rows are contiguous: a library that packs both operands spends up to a fifth of its time on packing at widths of
// 64 to 256 channels.
#include "CKernels.h"
#include "clones.h"

#if defined(__x86_64__)
#include "lanes.h"

#define INSIDE static inline __attribute__((always_inline)) WIDE

/// Maximum rows of a tile: 8 × 3 vectors of sums use 24 of the 32 registers.
enum { TALLEST = 8 };

/// Prefetch distance in rows for a transposed A, whose stride is too large for the hardware prefetcher.
enum { AHEAD = 16 };

/// Prefetch distance along the rows of a transposed B, which are more than the hardware prefetcher follows.
enum { PACKED_AHEAD = 64 };

/// Columns of C from which a transposed A is packed; fewer do not read it often enough.
enum { PACKED_FROM = 128 };

/// Block sizes in the inner index, rows of A and columns of B; measured for 1 to 2 MiB of second-level cache.
typedef struct {
    int64_t depth, rows, columns;
} Blocks;
static const Blocks rows_of_a = {512, 48, 384};
static const Blocks columns_of_a = {256, 64, 768};

/// to [depth, 16 · width] = b, with row stride `ldb`.
INSIDE void pack_rows(float *restrict to, const float *restrict b, int64_t ldb, int64_t depth, int width) {
    for (int64_t l = 0; l < depth; l++)
        for (int j = 0; j < width; j++)
            _mm512_storeu_ps(to + (l * width + j) * 16, _mm512_loadu_ps(b + l * ldb + 16 * j));
}

/// to [depth, 16 · width] = bᵀ, with row stride `ldb` of b.
INSIDE void pack_columns(float *restrict to, const float *restrict b, int64_t ldb, int64_t depth, int width) {
    for (int64_t l = 0; l < depth; l += 16) {
        int count = (int)least(16, depth - l);
        for (int j = 0; j < width; j++) {
            __m512i square[16];
            for (int r = 0; r < 16; r++) {
                const float *from = b + (16 * j + r) * ldb + l;
                __builtin_prefetch(from + PACKED_AHEAD);
                square[r] = _mm512_maskz_loadu_epi32((__mmask16)((1u << count) - 1), from);
            }
            transpose(square);
            for (int e = 0; e < count; e++) _mm512_storeu_si512(to + ((l + e) * width + j) * 16, square[e]);
        }
    }
}

WIDE static void pack(float *restrict to, const float *restrict b, int64_t ldb, int transposed, int64_t depth,
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

/// to [rows / 8, depth, 8] = aᵀ, padded with zeros beyond `rows`.
WIDE static void pack_left(float *restrict to, const float *restrict a, int64_t lda, int64_t depth, int64_t rows) {
    for (int64_t l = 0; l < depth; l++) {
        const float *from = a + l * lda;
        for (int64_t i = 0; i < rows; i += 16) __builtin_prefetch(from + AHEAD * lda + i);
        for (int64_t i = 0; i < rows; i += TALLEST) {
            __mmask8 mask = rows - i >= TALLEST ? 0xff : (__mmask8)((1 << (rows - i)) - 1);
            _mm256_storeu_ps(to + i * depth + l * TALLEST, _mm256_maskz_loadu_ps(mask, from + i));
        }
    }
}

/// Source of the rows of A: a(i, l) = values[i · row + l · col], and `panel` elements from a tile to the next.
typedef struct {
    const float *values;
    int64_t row, col, panel;
    const float *ahead;  // rows to prefetch, or null
} Left;

/// One tile of `height` rows and `width` vectors of columns.
INSIDE void tile(float *c, int64_t ldc, ck_epilogue epilogue, Left a, const float *restrict b, int64_t k, int height,
                 int width) {
    __m512 sum[TALLEST][3];
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            sum[i][j] = epilogue.row ? _mm512_loadu_ps(epilogue.row + 16 * j) : _mm512_setzero_ps();
            if (epilogue.matrix) __builtin_prefetch(epilogue.matrix + i * epilogue.stride + 16 * j);
            __builtin_prefetch(c + i * ldc + 16 * j, 1);
        }
    for (int64_t l = 0; l < k; l++) {
        __m512 right[3];
        for (int j = 0; j < width; j++) right[j] = _mm512_loadu_ps(b + (l * width + j) * 16);
        if (a.row == 1 && a.col != TALLEST) __builtin_prefetch(a.values + (l + AHEAD) * a.col);
        if (a.ahead && l % 16 == 0) __builtin_prefetch(a.ahead + l, 0, 2);
        for (int i = 0; i < height; i++) {
            __m512 left = _mm512_set1_ps(a.values[i * a.row + l * a.col]);
            for (int j = 0; j < width; j++) sum[i][j] = _mm512_fmadd_ps(left, right[j], sum[i][j]);
        }
    }
    // Unrolled, so that the sums stay in registers.
#pragma clang loop unroll(full)
    for (int i = 0; i < height; i++)
#pragma clang loop unroll(full)
        for (int j = 0; j < width; j++) {
            ck_epilogue here = ck_epilogue_at(epilogue, i, 16 * j);
            _mm512_storeu_ps(c + i * ldc + 16 * j, finished(sum[i][j], here.matrix, here.scale));
        }
}

/// All rows of `width` vectors of columns.
INSIDE void column(float *c, int64_t ldc, ck_epilogue epilogue, Left a, const float *restrict b, int64_t m, int64_t k,
                   int width) {
#define TILE(HEIGHT) tile(c, ldc, epilogue, a, b, k, HEIGHT, width)
    for (; m >= TALLEST; m -= TALLEST) {
        TILE(TALLEST);
        c += TALLEST * ldc;
        epilogue = ck_epilogue_at(epilogue, TALLEST, 0);
        a.values += a.panel;
        if (a.ahead) a.ahead += a.panel;
    }
    LAST_ROWS(m, TILE);
#undef TILE
}

INSIDE void columns_of(float *c, int64_t ldc, ck_epilogue epilogue, Left a, const float *restrict b, int64_t m,
                       int64_t k, int width) {
    switch (width) {
    case 1: column(c, ldc, epilogue, a, b, m, k, 1); break;
    case 2: column(c, ldc, epilogue, a, b, m, k, 2); break;
    case 3: column(c, ldc, epilogue, a, b, m, k, 3); break;
    }
}

/// Compiles the tiles for each kind of A, whose constant strides save instructions: rows in place, packed panels, and
/// columns in place.
WIDE static void columns(float *c, int64_t ldc, ck_epilogue epilogue, Left a, const float *restrict b, int64_t m,
                         int64_t k, int width) {
    if (a.col == 1) columns_of(c, ldc, epilogue, (Left){a.values, a.row, 1, a.panel, a.ahead}, b, m, k, width);
    else if (a.col == TALLEST) columns_of(c, ldc, epilogue, (Left){a.values, 1, TALLEST, a.panel, 0}, b, m, k, width);
    else columns_of(c, ldc, epilogue, (Left){a.values, 1, a.col, a.panel, 0}, b, m, k, width);
}

static Blocks blocks_of(int transpose_a) { return transpose_a ? columns_of_a : rows_of_a; }
static int packs_left(int transpose_a, int64_t n) { return transpose_a && n >= PACKED_FROM; }

int64_t ck_product_scratch(int transpose_a, int64_t n, int64_t k) {
    Blocks blocks = blocks_of(transpose_a);
    return least(blocks.depth, k) * (least(blocks.columns, n) + (packs_left(transpose_a, n) ? blocks.rows : 0));
}

void ck_product(float *c, int64_t ldc, ck_epilogue epilogue, const float *restrict a, int64_t lda, int transpose_a,
                const float *restrict b, int64_t ldb, int transpose_b, int64_t m, int64_t n, int64_t k,
                float *restrict scratch) {
    Blocks blocks = blocks_of(transpose_a);
    int64_t row = transpose_a ? 1 : lda, col = transpose_a ? lda : 1;
    float *packed_left = scratch + least(blocks.depth, k) * least(blocks.columns, n);
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
                Left left = {a + i * row + l * col, row, col, TALLEST * row, 0};
                // Each column of tiles prefetches every eighth of the next rows of A.
                if (!transpose_a && i + blocks.rows < m) left.ahead = left.values + blocks.rows * row;
                if (packs_left(transpose_a, n)) {
                    pack_left(packed_left, left.values, lda, depth, rows);
                    left = (Left){packed_left, 1, TALLEST, TALLEST * depth, 0};
                }
                for (int64_t j = first; j < last;) {
                    int width = ck_tile_vectors(last - j);
                    columns(c + i * ldc + j, ldc, ck_epilogue_at(here, i, j), left, scratch + (j - first) * depth, rows,
                            depth, width);
                    if (left.ahead) left.ahead += row;
                    j += 16 * width;
                }
            }
        }
    }
}

#else

int64_t ck_product_scratch(int transpose_a, int64_t n, int64_t k) { return 0; }
void ck_product(float *c, int64_t ldc, ck_epilogue epilogue, const float *a, int64_t lda, int transpose_a,
                const float *b, int64_t ldb, int transpose_b, int64_t m, int64_t n, int64_t k, float *scratch) {
    __builtin_trap();
}

#endif

// bfloat16 products with single-precision sums on processors with AVX512-BF16. One instruction multiplies two
// consecutive elements along the inner index and adds both to a sum. The operands are read as 32-bit pairs: directly
// from the rows of A, or from packed copies of B and of a transposed A (see product.c).
#include "CKernels.h"
#include "clones.h"

#if defined(__x86_64__)
#include "lanes.h"

#define INSIDE static inline __attribute__((always_inline)) NARROW

/// Maximum rows of a tile: 8 × 3 vectors of sums use 24 of the 32 registers.
enum { TALLEST = 8 };

/// Prefetch distance in pairs of rows for a transposed A.
enum { AHEAD = 8 };

/// Block sizes in pairs of the inner index, rows of A and columns of B; measured for 1 to 2 MiB of second-level cache.
typedef struct {
    int64_t depth, rows, columns;
} Blocks;
static const Blocks rows_of_a = {512, 48, 384};
static const Blocks columns_of_a = {256, 32, 768};

/// Block sizes of a product. If C is bfloat16, the whole inner index is one block, so that partial sums are not
/// rounded.
INSIDE Blocks blocks_of(int narrow_c, int transpose_a, int64_t k) {
    Blocks blocks = transpose_a ? columns_of_a : rows_of_a;
    if (narrow_c && (k + 1) / 2 > blocks.depth) {
        int64_t columns = blocks.depth * blocks.columns / ((k + 1) / 2) / 48 * 48;
        blocks.columns = columns > 48 ? columns : 48;
        blocks.depth = (k + 1) / 2;
    }
    return blocks;
}

INSIDE uint32_t load_pair(const void *from) {
    uint32_t pair;
    memcpy(&pair, from, sizeof pair);
    return pair;
}

/// Sixteen elements starting at `i`, rounded if the matrix is single-precision.
INSIDE __m256i load_row(ck_matrix b, int64_t i) {
    if (b.is_narrow) return _mm256_loadu_si256((const __m256i *)((const uint16_t *)b.values + i));
    return (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps((const float *)b.values + i));
}

/// Sixteen pairs along a row, starting at `i`.
INSIDE __m512i load_pairs(ck_matrix b, int64_t i) {
    if (b.is_narrow) return _mm512_loadu_si512((const uint16_t *)b.values + i);
    const float *from = (const float *)b.values + i;
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from));
}

INSIDE uint32_t load_single_pair(ck_matrix b, int64_t i, int odd) {
    uint16_t pair[2] = {0, 0};
    for (int e = 0; e < (odd ? 1 : 2); e++) {
        if (b.is_narrow) pair[e] = ((const uint16_t *)b.values)[i + e];
        else {
            __m128i one = (__m128i)_mm_cvtneps_pbh(_mm_set_ss(((const float *)b.values)[i + e]));
            pair[e] = (uint16_t)_mm_extract_epi16(one, 0);
        }
    }
    return load_pair(pair);
}

/// to [pairs, 16 · width] from rows of b: packs a B that is not transposed.
INSIDE void pack_rows(uint32_t *restrict to, ck_matrix b, int64_t at, int64_t k, int width) {
    for (int64_t l = 0; l < k; l += 2)
        for (int j = 0; j < width; j++) {
            int64_t i = at + l * b.stride + 16 * j;
            __m256i second = l + 1 < k ? load_row(b, i + b.stride) : _mm256_setzero_si256();
            _mm512_storeu_si512(to + (l / 2 * width + j) * 16, interleaved(load_row(b, i), second));
        }
}

/// to [pairs, 16 · width] from pairs along the rows of b: packs a transposed B.
INSIDE void pack_columns(uint32_t *restrict to, ck_matrix b, int64_t at, int64_t k, int width) {
    int n = 16 * width;
    int64_t l = 0;
    for (; l + 32 <= k; l += 32)
        for (int j = 0; j < n; j += 16) {
            __m512i square[16];
            for (int r = 0; r < 16; r++) square[r] = load_pairs(b, at + (j + r) * b.stride + l);
            transpose(square);
            for (int e = 0; e < 16; e++) _mm512_storeu_si512(to + (l / 2 + e) * n + j, square[e]);
        }
    for (; l < k; l += 2)
        for (int j = 0; j < n; j++) to[l / 2 * n + j] = load_single_pair(b, at + j * b.stride + l, l + 1 == k);
}

NARROW static void pack(uint32_t *restrict to, ck_matrix b, int64_t at, int transposed, int64_t k, int width) {
    switch (transposed ? 4 + width : width) {
    case 1: pack_rows(to, b, at, k, 1); break;
    case 2: pack_rows(to, b, at, k, 2); break;
    case 3: pack_rows(to, b, at, k, 3); break;
    case 5: pack_columns(to, b, at, k, 1); break;
    case 6: pack_columns(to, b, at, k, 2); break;
    case 7: pack_columns(to, b, at, k, 3); break;
    }
}

/// to [rows / 8, pairs, 8] = aᵀ, padded with zeros beyond `rows`.
NARROW static void pack_left(uint32_t *restrict to, const uint16_t *restrict a, int64_t lda, int64_t k, int64_t rows) {
    int64_t depth = (k + 1) / 2;
    for (int64_t l = 0; l < depth; l++) {
        const uint16_t *first = a + 2 * l * lda, *second = first + lda;
        int odd = 2 * l + 1 == k;
        // The stride is too large for the hardware prefetcher.
        __builtin_prefetch(first + 2 * AHEAD * lda);
        __builtin_prefetch(second + 2 * AHEAD * lda);
        for (int64_t i = 0; i < rows; i += TALLEST) {
            __mmask8 mask = rows - i >= TALLEST ? 0xff : (__mmask8)((1 << (rows - i)) - 1);
            __m256i low = _mm256_cvtepu16_epi32(_mm_maskz_loadu_epi16(mask, first + i));
            __m256i high = _mm256_cvtepu16_epi32(_mm_maskz_loadu_epi16(odd ? 0 : mask, second + i));
            _mm256_storeu_si256((__m256i *)(to + i * depth + l * TALLEST),
                                _mm256_or_si256(low, _mm256_slli_epi32(high, 16)));
        }
    }
}

/// Source of the rows of A, and destination of the sums of a tile.
typedef struct {
    const char *values;
    int64_t row, col;  // in bytes
} Left;
typedef struct {
    void *values;
    int64_t stride;
    int is_narrow;
} Target;

INSIDE void tile(Target c, ck_epilogue epilogue, Left a, const uint32_t *restrict b, int64_t pairs, int height,
                 int width) {
    __m512 sum[TALLEST][3];
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            sum[i][j] = epilogue.row ? _mm512_loadu_ps(epilogue.row + 16 * j) : _mm512_setzero_ps();
            if (epilogue.matrix) __builtin_prefetch(epilogue.matrix + i * epilogue.stride + 16 * j);
            if (!c.is_narrow) __builtin_prefetch((float *)c.values + i * c.stride + 16 * j, 1);
        }
    for (int64_t l = 0; l < pairs; l++) {
        __m512bh right[3];
        for (int j = 0; j < width; j++) right[j] = (__m512bh)_mm512_loadu_si512(b + (l * width + j) * 16);
        for (int i = 0; i < height; i++) {
            __m512bh left = (__m512bh)_mm512_set1_epi32((int)load_pair(a.values + i * a.row + l * a.col));
            for (int j = 0; j < width; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], left, right[j]);
        }
    }
    // Unrolled, so that the sums stay in registers.
#pragma clang loop unroll(full)
    for (int i = 0; i < height; i++)
#pragma clang loop unroll(full)
        for (int j = 0; j < width; j++) {
            int64_t at = i * c.stride + 16 * j;
            ck_epilogue here = ck_epilogue_at(epilogue, i, 16 * j);
            __m512 value = finished(sum[i][j], here.matrix, here.scale);
            if (c.is_narrow)
                _mm256_storeu_si256((__m256i *)((uint16_t *)c.values + at), (__m256i)_mm512_cvtneps_pbh(value));
            else _mm512_storeu_ps((float *)c.values + at, value);
        }
}

/// All rows of `width` vectors of columns; `panel` is the size of the part of A that one full tile reads [bytes].
INSIDE void column(Target c, ck_epilogue epilogue, Left a, int64_t panel, const uint32_t *restrict b, int64_t m,
                   int64_t pairs, int width) {
    int64_t size = c.is_narrow ? 2 : 4;
#define TILE(HEIGHT) tile(c, epilogue, a, b, pairs, HEIGHT, width)
    for (; m >= TALLEST; m -= TALLEST) {
        TILE(TALLEST);
        c.values = (char *)c.values + TALLEST * c.stride * size;
        epilogue = ck_epilogue_at(epilogue, TALLEST, 0);
        a.values += panel;
    }
    LAST_ROWS(m, TILE);
#undef TILE
}

NARROW static void columns(Target c, ck_epilogue epilogue, Left a, int64_t panel, const uint32_t *restrict b, int64_t m,
                           int64_t pairs, int width) {
    switch (c.is_narrow ? 4 + width : width) {
    case 1: c.is_narrow = 0; column(c, epilogue, a, panel, b, m, pairs, 1); break;
    case 2: c.is_narrow = 0; column(c, epilogue, a, panel, b, m, pairs, 2); break;
    case 3: c.is_narrow = 0; column(c, epilogue, a, panel, b, m, pairs, 3); break;
    case 5: c.is_narrow = 1; column(c, epilogue, a, panel, b, m, pairs, 1); break;
    case 6: c.is_narrow = 1; column(c, epilogue, a, panel, b, m, pairs, 2); break;
    case 7: c.is_narrow = 1; column(c, epilogue, a, panel, b, m, pairs, 3); break;
    }
}

ck_layout ck_narrow_layout(void) { return (ck_layout){.vectors = 3, .pairs = 1}; }

NARROW int64_t ck_narrow_product_scratch(int narrow_c, int transpose_a, int has_layout, int64_t n, int64_t k) {
    Blocks blocks = blocks_of(narrow_c, transpose_a, k);
    int64_t depth = least(blocks.depth, (k + 1) / 2);
    return depth * ((has_layout ? 0 : least(blocks.columns, n)) + (transpose_a ? blocks.rows : 0));
}

/// A packed B as panels of columns one after the other, in each the pairs of the inner index one after the other.
typedef struct {
    const uint32_t *values;
    int64_t depth;    // pairs of a panel
    int64_t start;    // first pair that is read
    int64_t first;    // column of the first panel
    int64_t columns;  // number of columns from there to the end of B
} Panels;

INSIDE int width_at(Panels panels, int64_t j) { return ck_tile_vectors(panels.columns - (j - panels.first)); }
INSIDE const uint32_t *panel_at(Panels panels, int64_t j, int width) {
    return panels.values + (j - panels.first) * panels.depth + 16 * width * panels.start;
}

/// The end of the block of columns that starts with `first`: whole panels of a layout, whose last ones may be narrower
/// (ck_tile_vectors), so that they do not all end at multiples of the width of a block.
static int64_t end_of_block(ck_factor b, int64_t first, int64_t columns, int64_t n) {
    int64_t last = least(n, first + columns);
    return b.layout && b.columns_left - last == 16 ? last + 16 : last;
}

/// Adds the products of the inner indices l ..< l + part to the columns first ..< last of C.
NARROW static void block(ck_matrix c, ck_epilogue epilogue, ck_factor a, Panels b, int64_t m, int64_t first,
                         int64_t last, int64_t l, int64_t part, Blocks blocks, uint32_t *restrict packed_left) {
    int64_t pairs = (part + 1) / 2, stride = a.matrix.stride;
    const uint16_t *left = a.matrix.values;
    for (int64_t i = 0; i < m; i += blocks.rows) {
        int64_t rows = least(m - i, blocks.rows);
        Left source = {(const char *)(left + i * stride + l), 2 * stride, 4};
        int64_t panel = 2 * TALLEST * stride;
        if (a.is_transposed) {
            pack_left(packed_left, left + l * stride + i, stride, part, rows);
            source = (Left){(const char *)packed_left, 4, 4 * TALLEST};
            panel = 4 * TALLEST * pairs;
        }
        for (int64_t j = first; j < last;) {
            int width = width_at(b, j);
            int64_t at = i * c.stride + j;
            Target to = {c.is_narrow ? (void *)((uint16_t *)c.values + at) : (void *)((float *)c.values + at),
                         c.stride, c.is_narrow};
            columns(to, ck_epilogue_at(epilogue, i, j), source, panel, panel_at(b, j, width), rows, pairs, width);
            j += 16 * width;
        }
    }
}

NARROW void ck_narrow_product(ck_matrix c, ck_epilogue epilogue, ck_factor a, ck_factor b, int64_t m, int64_t n,
                              int64_t k, float *restrict scratch) {
    Blocks blocks = blocks_of(c.is_narrow, a.is_transposed, k);
    uint32_t *packed = (uint32_t *)scratch, *packed_left = packed;
    if (!b.layout) packed_left += least(blocks.depth, (k + 1) / 2) * least(blocks.columns, n);
    for (int64_t first = 0, last; first < n; first = last) {
        last = end_of_block(b, first, blocks.columns, n);
        for (int64_t l = 0; l < k; l += 2 * blocks.depth) {
            int64_t part = least(k - l, 2 * blocks.depth);
            Panels panels = {(const uint32_t *)b.layout, (k + 1) / 2, l / 2, 0, b.columns_left};
            if (!b.layout) {
                panels = (Panels){packed, (part + 1) / 2, 0, first, last - first};
                for (int64_t j = first; j < last;) {
                    int width = width_at(panels, j);
                    int64_t at = b.is_transposed ? j * b.matrix.stride + l : l * b.matrix.stride + j;
                    pack(packed + (j - first) * panels.depth, b.matrix, at, b.is_transposed, part, width);
                    j += 16 * width;
                }
            }
            ck_epilogue here = l == 0 ? epilogue
                                      : (ck_epilogue){.matrix = c.values, .stride = c.stride, .scale = epilogue.scale};
            block(c, here, a, panels, m, first, last, l, part, blocks, packed_left);
        }
    }
}

int ck_has_bfloat16(void) {
    __builtin_cpu_init();
    return ck_vector_level() == 512 && __builtin_cpu_supports("avx512bf16");
}

#else

ck_layout ck_narrow_layout(void) { return (ck_layout){.vectors = 3, .pairs = 1}; }
int64_t ck_narrow_product_scratch(int narrow_c, int transpose_a, int has_layout, int64_t n, int64_t k) { return 0; }
void ck_narrow_product(ck_matrix c, ck_epilogue epilogue, ck_factor a, ck_factor b, int64_t m, int64_t n, int64_t k,
                       float *scratch) {
    __builtin_trap();
}
int ck_has_bfloat16(void) { return 0; }

#endif

// bfloat16 products on processors with AMX: one instruction multiplies a tile of 16 rows of 32 numbers by one of 32
// rows of 16, and adds to a tile of 16 × 16 single-precision sums. Both factors are packed so that every tile is
// contiguous: B once for all rows of A, unless it has a layout, and A in panels of 32 rows, which stay in the
// first-level cache (see product.c). Whole panels of a bfloat16 A are read in place. The copies are padded with zeros,
// so the bits of a row of C do not depend on the other rows.
#include "CKernels.h"
#include "clones.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lanes.h"

#define TILED __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,amx-tile,amx-bf16")))
#define INSIDE static inline __attribute__((always_inline)) TILED

/// Rows of a tile; inner length of one tile product; elements of a tile of a factor.
enum { SIDE = 16, STEP = 32, TILE = SIDE * STEP };
/// Largest blocks in the inner index, of A in the first-level cache and of B in the second, and elements of a block of
/// B, for 2 MiB of second-level cache.
enum { LEFT_DEPTH = 512, DEPTH = 1024, RIGHT = 512 * 1024 };

INSIDE int64_t steps_of(int64_t k) { return (k + STEP - 1) / STEP; }
INSIDE __mmask32 first_of(int64_t count) { return count >= 32 ? 0xffffffffu : (1u << count) - 1; }

/// Up to 32 elements of a row, rounded if they are single-precision, zero beyond `count`.
INSIDE __m512i load_row(const void *row, int64_t at, int is_narrow, int64_t count) {
    __mmask32 mask = first_of(count);
    if (is_narrow) return _mm512_maskz_loadu_epi16(mask, (const uint16_t *)row + at);
    const float *from = (const float *)row + at;
    __m512 second = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), from + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(second, _mm512_maskz_loadu_ps((__mmask16)mask, from));
}

/// Up to 16 elements of a row, likewise.
INSIDE __m512i load_half(const void *row, int64_t at, int is_narrow, int64_t count) {
    __mmask16 mask = (__mmask16)first_of(count < 16 ? count : 16);
    if (is_narrow) return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, (const uint16_t *)row + at));
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, (const float *)row + at)));
}

/// Sixteen pairs along the inner index, for sixteen adjacent elements of rows that run across the inner index.
INSIDE void load_across(__m512i pairs[SIDE], ck_matrix x, int64_t at, int64_t k, int64_t count) {
    int64_t size = x.is_narrow ? 2 : 4;
    const char *row = (const char *)x.values + at * size;
    for (int p = 0; p < SIDE; p++, row += 2 * x.stride * size) {
        // The stride is too large for the hardware prefetcher.
        __builtin_prefetch(row + STEP * x.stride * size);
        __builtin_prefetch(row + (STEP + 1) * x.stride * size);
        __m512i low = load_half(row, 0, x.is_narrow, 2 * p < k ? count : 0);
        __m512i high = load_half(row, x.stride, x.is_narrow, 2 * p + 1 < k ? count : 0);
        pairs[p] = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
    }
}

/// The same for sixteen rows that run along the inner index: each row already consists of pairs.
INSIDE void load_along(__m512i rows[SIDE], ck_matrix x, int64_t at, int64_t k, int64_t count) {
    for (int r = 0; r < SIDE; r++)
        rows[r] = load_row(x.values, at + r * x.stride, x.is_narrow, r < count ? k : 0);
}

/// Eight elements of a row.
INSIDE __m128i load_eight(const uint16_t *from) { return _mm_loadu_si128((const __m128i *)from); }

/// to [32, 32] = xᵀ for 32 elements of 32 rows. Rows r, r + 8, r + 16 and r + 24 are loaded into the lanes of one
/// vector, so that eight columns are transposed within lanes, with half of the shuffles that whole vectors take.
INSIDE void copy_square_transposed(uint16_t *restrict to, const uint16_t *x, int64_t stride) {
    for (int column = 0; column < STEP; column += 8, to += 8 * STEP) {
        __m512i a[8], b[8];
        for (int r = 0; r < 8; r++) {
            const uint16_t *row = x + r * stride + column;
            a[r] = _mm512_castsi128_si512(load_eight(row));
            a[r] = _mm512_mask_broadcast_i32x4(a[r], 0x00f0, load_eight(row + 8 * stride));
            a[r] = _mm512_mask_broadcast_i32x4(a[r], 0x0f00, load_eight(row + 16 * stride));
            a[r] = _mm512_mask_broadcast_i32x4(a[r], 0xf000, load_eight(row + 24 * stride));
            // The stride is too large for the hardware prefetcher.
            __builtin_prefetch(x + (STEP + column + r) * stride);
        }
        for (int r = 0; r < 8; r += 2) {
            b[r] = _mm512_unpacklo_epi16(a[r], a[r + 1]);
            b[r + 1] = _mm512_unpackhi_epi16(a[r], a[r + 1]);
        }
        for (int r = 0; r < 8; r += 4)
            for (int half = 0; half < 2; half++) {
                a[r + 2 * half] = _mm512_unpacklo_epi32(b[r + half], b[r + 2 + half]);
                a[r + 2 * half + 1] = _mm512_unpackhi_epi32(b[r + half], b[r + 2 + half]);
            }
        for (int c = 0; c < 4; c++) {
            _mm512_store_si512(to + 2 * c * STEP, _mm512_unpacklo_epi64(a[c], a[4 + c]));
            _mm512_store_si512(to + (2 * c + 1) * STEP, _mm512_unpackhi_epi64(a[c], a[4 + c]));
        }
    }
}

/// to [steps, tiles, 16, 16 pairs] = up to 16 · tiles rows of A or columns of B with inner length k, starting at `at`.
/// The inner index runs along the rows of x or across them; in a tile of A it runs along the rows, in a tile of B
/// across.
INSIDE void copy_panel(uint16_t *restrict to, ck_matrix x, int64_t at, int along, int is_right, int64_t k,
                       int64_t count, int tiles) {
    int is_transposed = along == is_right;
    for (int64_t l = 0; l < k; l += STEP) {
        if (is_transposed && !along && x.is_narrow && k - l >= STEP && count >= 2 * SIDE) {
            copy_square_transposed(to, (const uint16_t *)x.values + at + l * x.stride, x.stride);
            to += 2 * TILE;
            continue;
        }
        for (int t = 0; t < tiles; t++, to += TILE) {
            __m512i square[SIDE];
            int64_t first = t * SIDE;
            if (along) load_along(square, x, at + first * x.stride + l, k - l, count - first);
            else load_across(square, x, at + l * x.stride + first, k - l, count - first);
            if (is_transposed) transpose(square);
            for (int r = 0; r < SIDE; r++) _mm512_store_si512(to + r * STEP, square[r]);
        }
    }
}

TILED static void copy(uint16_t *restrict to, ck_matrix x, int64_t at, int along, int is_right, int64_t k,
                       int64_t count, int tiles) {
    switch (4 * x.is_narrow + 2 * along + is_right) {
    case 0: copy_panel(to, (ck_matrix){x.values, x.stride, 0}, at, 0, 0, k, count, tiles); break;
    case 1: copy_panel(to, (ck_matrix){x.values, x.stride, 0}, at, 0, 1, k, count, tiles); break;
    case 2: copy_panel(to, (ck_matrix){x.values, x.stride, 0}, at, 1, 0, k, count, tiles); break;
    case 3: copy_panel(to, (ck_matrix){x.values, x.stride, 0}, at, 1, 1, k, count, tiles); break;
    case 4: copy_panel(to, (ck_matrix){x.values, x.stride, 1}, at, 0, 0, k, count, tiles); break;
    case 5: copy_panel(to, (ck_matrix){x.values, x.stride, 1}, at, 0, 1, k, count, tiles); break;
    case 6: copy_panel(to, (ck_matrix){x.values, x.stride, 1}, at, 1, 0, k, count, tiles); break;
    case 7: copy_panel(to, (ck_matrix){x.values, x.stride, 1}, at, 1, 1, k, count, tiles); break;
    }
}

typedef struct {
    void *values;
    int64_t stride;
    int is_narrow;
} Target;

/// Rows of A, as tiles that are copies or as they stand.
typedef struct {
    const uint16_t *values;
    int64_t stride;  // between rows
    int64_t lower;   // from the first 16 rows to the next 16
    int64_t step;    // along the inner index
} Left;

/// A part of the inner index: the sums of the parts before and after it pass through a buffer of 32 × 32.
typedef struct {
    float *sums;
    int is_first, is_last;
} Part;

/// A block of 16 · height rows, of which `rows` exist, and 16 · width columns of C. Without a scale the sums start with
/// the row of the epilogue or, without one, with its matrix; whatever is left is applied in the end.
INSIDE void sums(Target c, ck_epilogue epilogue, Left a, const uint16_t *restrict b, int64_t steps, int64_t rows,
                 int height, int width, Part part, float *restrict buffer) {
    int whole = rows == SIDE * height;
    int late = epilogue.scale || (epilogue.row && epilogue.matrix);
    const float *from = epilogue.row ? epilogue.row : late ? 0 : epilogue.matrix;
    int64_t from_stride = epilogue.row ? 0 : 4 * epilogue.stride;
    if (!part.is_first) {
        from = part.sums;
        from_stride = 8 * SIDE;
    } else if (from && !epilogue.row && !whole) {
        for (int64_t r = 0; r < rows; r++)
            for (int j = 0; j < SIDE * width; j++) buffer[r * 2 * SIDE + j] = from[r * epilogue.stride + j];
        from = buffer;
        from_stride = 8 * SIDE;
    }
    if (from) {
        const float *lower = (const float *)((const char *)from + SIDE * from_stride);
        _tile_loadd(0, from, from_stride);
        if (width > 1) _tile_loadd(1, from + SIDE, from_stride);
        if (height > 1) _tile_loadd(2, lower, from_stride);
        if (height > 1 && width > 1) _tile_loadd(3, lower + SIDE, from_stride);
    } else {
        _tile_zero(0);
        if (width > 1) _tile_zero(1);
        if (height > 1) _tile_zero(2);
        if (height > 1 && width > 1) _tile_zero(3);
    }
    // A is read again for the next columns, B is not: streaming loads keep B out of the first-level cache.
    for (int64_t l = 0; l < steps; l++, a.values += a.step, b += width * TILE) {
        _tile_loadd(4, a.values, 2 * a.stride);
        _tile_stream_loadd(6, b, 2 * STEP);
        _tile_dpbf16ps(0, 4, 6);
        if (width > 1) {
            _tile_stream_loadd(7, b + TILE, 2 * STEP);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (height > 1) {
            _tile_loadd(5, a.values + a.lower, 2 * a.stride);
            _tile_dpbf16ps(2, 5, 6);
            if (width > 1) _tile_dpbf16ps(3, 5, 7);
        }
    }
    int direct = part.is_last && whole && !late && !c.is_narrow;
    float *to = !part.is_last ? part.sums : direct ? c.values : buffer;
    int64_t stride = direct ? c.stride : 2 * SIDE;
    _tile_stored(0, to, 4 * stride);
    if (width > 1) _tile_stored(1, to + SIDE, 4 * stride);
    if (height > 1) _tile_stored(2, to + SIDE * stride, 4 * stride);
    if (height > 1 && width > 1) _tile_stored(3, to + SIDE * stride + SIDE, 4 * stride);
    if (direct || !part.is_last) return;
    for (int64_t r = 0; r < rows; r++)
        for (int j = 0; j < SIDE * width; j += SIDE) {
            ck_epilogue here = ck_epilogue_at(epilogue, r, j);
            __m512 value = finished(_mm512_loadu_ps(buffer + r * 2 * SIDE + j), late ? here.matrix : 0, here.scale);
            int64_t at = r * c.stride + j;
            if (c.is_narrow)
                _mm256_storeu_si256((__m256i *)((uint16_t *)c.values + at), (__m256i)_mm512_cvtneps_pbh(value));
            else _mm512_storeu_ps((float *)c.values + at, value);
        }
}

/// Block sizes in the inner index, of B and of A, and in columns of B. A block of B has several of A, one part of the
/// inner index after the other for the same 32 rows of C, which are read and written once. If C is bfloat16, the whole
/// inner index is one block of B, so that partial sums are not rounded.
typedef struct {
    int64_t depth, left_depth, columns;
} Blocks;

/// The depth of equal blocks of at most `most` elements of the inner index, in whole steps.
TILED static int64_t depth_of(int64_t k, int64_t most) {
    int64_t parts = (STEP * steps_of(k) + most - 1) / most;
    return STEP * ((steps_of(k) + parts - 1) / parts);
}

TILED static Blocks blocks_of(int narrow_c, int64_t n, int64_t k) {
    int64_t depth = narrow_c ? STEP * steps_of(k) : depth_of(k, DEPTH);
    int64_t columns = RIGHT / depth / STEP * STEP;
    return (Blocks){depth, depth_of(depth, LEFT_DEPTH), least(n, columns > STEP ? columns : STEP)};
}

ck_layout ck_tile_layout(void) { return (ck_layout){.vectors = 2, .pairs = SIDE}; }

/// The sums of 32 rows between parts of the inner index, the tiles of an epilogue, and the copies of A and B.
TILED int64_t ck_tile_product_scratch(int narrow_c, int has_layout, int64_t n, int64_t k) {
    Blocks blocks = blocks_of(narrow_c, n, k);
    return (blocks.columns + 3 * SIDE) * 2 * SIDE + blocks.left_depth * SIDE
        + (has_layout ? 0 : blocks.depth * blocks.columns / 2);
}

/// Rows i ..< i + 32 of op(A) at most, for a block of the inner index that starts at l.
TILED static Left left_rows(ck_factor a, int64_t i, int64_t l, int64_t part, int64_t rows, uint16_t *restrict copied) {
    ck_matrix x = a.matrix;
    if (!a.is_transposed && x.is_narrow && rows == 2 * SIDE && part % STEP == 0)
        return (Left){(const uint16_t *)x.values + i * x.stride + l, x.stride, SIDE * x.stride, STEP};
    int tiles = rows > SIDE ? 2 : 1;
    copy(copied, x, a.is_transposed ? l * x.stride + i : i * x.stride + l, !a.is_transposed, 0, part, rows, tiles);
    return (Left){copied, STEP, TILE, tiles * TILE};
}

/// A packed B: panels of 32 columns one after the other, each with the tiles of all steps.
typedef struct {
    const uint16_t *values;
    int64_t steps;  // of a panel
    int64_t start;  // first step that is read
} Panels;

/// Memory for parts of a product; see `ck_tile_product_scratch`.
typedef struct {
    float *sums, *buffer;
    uint16_t *left, *right;
} Scratch;

INSIDE Scratch scratch_of(float *scratch, Blocks blocks) {
    float *buffer = scratch + (blocks.columns + SIDE) * 2 * SIDE;
    uint16_t *left = (uint16_t *)(buffer + 4 * SIDE * SIDE);
    return (Scratch){scratch, buffer, left, left + 2 * SIDE * blocks.left_depth};
}

/// 32 rows of C at most, and `columns` of its columns, from one block of A.
INSIDE void rows_of_sums(ck_matrix c, ck_epilogue epilogue, Left left, Panels b, int64_t steps, int64_t rows,
                         int64_t columns, Part part, float *restrict buffer) {
    for (int64_t j = 0; j < columns; j += 2 * SIDE, part.sums += 4 * SIDE * SIDE) {
        Target to = {(char *)c.values + j * (c.is_narrow ? 2 : 4), c.stride, c.is_narrow};
        ck_epilogue here = ck_epilogue_at(epilogue, 0, j);
        const uint16_t *panel = b.values + j * STEP * b.steps;
        if (columns - j > SIDE) {
            panel += 2 * TILE * b.start;
            if (rows > SIDE) sums(to, here, left, panel, steps, rows, 2, 2, part, buffer);
            else sums(to, here, left, panel, steps, rows, 1, 2, part, buffer);
        } else {
            panel += TILE * b.start;
            if (rows > SIDE) sums(to, here, left, panel, steps, rows, 2, 1, part, buffer);
            else sums(to, here, left, panel, steps, rows, 1, 1, part, buffer);
        }
    }
}

/// The columns of a block of B, for the inner indices l ..< l + depth.
TILED static void block(ck_matrix c, ck_epilogue epilogue, ck_factor a, Panels b, int64_t m, int64_t columns, int64_t l,
                        int64_t depth, int64_t left_depth, Scratch scratch) {
    for (int64_t i = 0; i < m; i += 2 * SIDE) {
        int64_t rows = least(m - i, 2 * SIDE);
        ck_matrix to = {(char *)c.values + i * c.stride * (c.is_narrow ? 2 : 4), c.stride, c.is_narrow};
        for (int64_t s = 0; s < depth; s += left_depth) {
            int64_t length = least(depth - s, left_depth);
            Left left = left_rows(a, i, l + s, length, rows, scratch.left);
            Panels panels = {b.values, b.steps, b.start + s / STEP};
            Part part = {scratch.sums, s == 0, s + length == depth};
            rows_of_sums(to, ck_epilogue_at(epilogue, i, 0), left, panels, steps_of(length), rows, columns, part,
                         scratch.buffer);
        }
    }
}

TILED void ck_tile_product(ck_matrix c, ck_epilogue epilogue, ck_factor a, ck_factor b, int64_t m, int64_t n, int64_t k,
                           float *restrict scratch) {
    struct {
        uint8_t palette, row;
        uint8_t reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shapes = {.palette = 1};
    for (int t = 0; t < 8; t++) shapes.bytes[t] = 64, shapes.rows[t] = SIDE;
    _tile_loadconfig(&shapes);

    Blocks blocks = blocks_of(c.is_narrow, n, k);
    Scratch parts = scratch_of(scratch, blocks);
    for (int64_t first = 0; first < n; first += blocks.columns) {
        int64_t columns = least(n - first, blocks.columns);
        ck_matrix to = {(char *)c.values + first * (c.is_narrow ? 2 : 4), c.stride, c.is_narrow};
        for (int64_t l = 0; l < k; l += blocks.depth) {
            int64_t depth = least(k - l, blocks.depth), steps = steps_of(depth);
            Panels panels = {parts.right, steps, 0};
            if (b.layout) {
                panels = (Panels){b.layout + first * STEP * steps_of(k), steps_of(k), l / STEP};
            } else {
                for (int64_t j = 0; j < columns; j += 2 * SIDE) {
                    int64_t at = b.is_transposed ? (first + j) * b.matrix.stride + l : l * b.matrix.stride + first + j;
                    copy(parts.right + j * STEP * steps, b.matrix, at, b.is_transposed, 1, depth, columns - j,
                         columns - j > SIDE ? 2 : 1);
                }
            }
            ck_epilogue here = ck_epilogue_at(epilogue, 0, first);
            if (l > 0) here = (ck_epilogue){.matrix = to.values, .stride = to.stride, .scale = here.scale};
            block(to, here, a, panels, m, columns, l, depth, blocks.left_depth, parts);
        }
    }
    _tile_release();
}

int ck_has_tiles(void) {
    unsigned a, b, c, d;
    if (!ck_has_bfloat16() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & bit_AMXBF16) || !(d & bit_AMXTILE))
        return 0;
    // On Linux a process must request permission for the tile registers (ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

#else

ck_layout ck_tile_layout(void) { return (ck_layout){.vectors = 2, .pairs = 16}; }
int64_t ck_tile_product_scratch(int narrow_c, int has_layout, int64_t n, int64_t k) { return 0; }
void ck_tile_product(ck_matrix c, ck_epilogue epilogue, ck_factor a, ck_factor b, int64_t m, int64_t n, int64_t k,
                     float *scratch) {
    __builtin_trap();
}
int ck_has_tiles(void) { return 0; }

#endif

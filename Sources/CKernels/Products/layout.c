// Weights in the order in which bfloat16 products read them: rounded and transposed once, for all products of a step.
#include "CKernels.h"
#include "clones.h"

int ck_panel_vectors(ck_layout layout, int64_t columns) {
    if (layout.vectors == 3) return ck_tile_vectors(columns);
    int64_t left = columns / 16;
    return left < layout.vectors ? (int)left : layout.vectors;
}

int64_t ck_layout_depth(ck_layout layout, int64_t k) {
    int64_t group = 2 * layout.pairs;
    return (k + group - 1) / group * group;
}

#if defined(__x86_64__)
#include "lanes.h"

/// Prefetch distance along the rows of the weight.
enum { AHEAD = 64 };

/// Sixteen adjacent columns of a layout.
typedef struct {
    uint32_t *first;  // the vector of the first pair
    int64_t group;    // distance between groups of pairs
    unsigned shift;   // a group has 2^shift pairs
} Column;

/// The sixteen columns from `column` on, of `columns`, with inner length k.
NARROW static Column column_of(ck_layout layout, uint16_t *to, int64_t column, int64_t columns, int64_t k) {
    // All panels are of full width but for the last two.
    int64_t full = 16 * layout.vectors, panel = column < 2 * full ? 0 : (column / full - 1) * full;
    int width = ck_panel_vectors(layout, columns - panel);
    while (panel + 16 * width <= column) {
        panel += 16 * width;
        width = ck_panel_vectors(layout, columns - panel);
    }
    uint32_t *pairs = (uint32_t *)to + panel * ck_layout_depth(layout, k) / 2;
    return (Column){pairs + (column - panel) * layout.pairs, 16 * width * layout.pairs,
                    (unsigned)__builtin_ctz((unsigned)layout.pairs)};
}

static inline __attribute__((always_inline)) NARROW void store(Column column, int64_t pair, __m512i value) {
    int64_t group = pair >> column.shift, place = pair & ((1 << column.shift) - 1);
    _mm512_stream_si512((__m512i *)(column.first + group * column.group + 16 * place), value);
}

/// Zeros for the pairs from `pair` to the end of its group.
NARROW static void fill(Column column, int64_t pair) {
    for (; pair & ((1 << column.shift) - 1); pair++) store(column, pair, _mm512_setzero_si512());
}

NARROW void ck_lay_out(ck_layout layout, uint16_t *forward, uint16_t *backward, const float *weight, int64_t row,
                       int64_t outputs, int64_t inputs) {
    Column rows = column_of(layout, forward, row, outputs, inputs);
    const float *from = weight + row * inputs;
    for (int64_t i = 0; i < inputs; i += 32) {
        // The last half of the last vectors is missing where the inputs are an odd multiple of 16.
        int halves = i + 32 <= inputs ? 2 : 1;
        __m512i square[16];
        for (int r = 0; r < 16; r++) {
            __builtin_prefetch(from + r * inputs + i + AHEAD);
            __builtin_prefetch(from + r * inputs + i + AHEAD + 16);
            __m512 low = _mm512_loadu_ps(from + r * inputs + i);
            __m512 high = halves == 2 ? _mm512_loadu_ps(from + r * inputs + i + 16) : _mm512_setzero_ps();
            square[r] = (__m512i)_mm512_cvtne2ps_pbh(high, low);
        }
        for (int half = 0; half < halves; half++) {
            Column inner = column_of(layout, backward, i + 16 * half, inputs, outputs);
            for (int r = 0; r < 16; r += 2) {
                __m256i first = _mm512_castsi512_si256(square[r]), second = _mm512_castsi512_si256(square[r + 1]);
                if (half == 1) {
                    first = _mm512_extracti64x4_epi64(square[r], 1);
                    second = _mm512_extracti64x4_epi64(square[r + 1], 1);
                }
                store(inner, (row + r) / 2, interleaved(first, second));
            }
            if (row + 16 == outputs) fill(inner, outputs / 2);
        }
        transpose(square);
        for (int p = 0; p < 8 * halves; p++) store(rows, i / 2 + p, square[p]);
    }
    fill(rows, inputs / 2);
    _mm_sfence();
}

#else

void ck_lay_out(ck_layout layout, uint16_t *forward, uint16_t *backward, const float *weight, int64_t row,
                int64_t outputs, int64_t inputs) {
    __builtin_trap();
}

#endif

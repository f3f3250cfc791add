// Vectors of sixteen numbers on any processor.
#pragma once
#include "clones.h"

typedef float vector __attribute__((vector_size(64), aligned(4)));

#define SHUFFLE __builtin_shufflevector

/// to[c][r] = from[r][c]
INLINE void transpose_vectors(vector square[16]) {
    vector a[16], b[16];
    // Within the four lanes of a vector: pairs of rows, then groups of four. b[4 g + c] has the columns c, 4 + c, 8 + c
    // and 12 + c of the rows of group g.
    for (int i = 0; i < 16; i += 2) {
        a[i] = SHUFFLE(square[i], square[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        a[i + 1] = SHUFFLE(square[i], square[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            vector first = a[i + j], second = a[i + j + 2];
            b[i + 2 * j] = SHUFFLE(first, second, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
            b[i + 2 * j + 1] = SHUFFLE(first, second, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
        }
    // Lanes of two groups, then of all four.
#define EVEN_LANES(X, Y) SHUFFLE(X, Y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define ODD_LANES(X, Y) SHUFFLE(X, Y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
    for (int c = 0; c < 4; c++) {
        vector even = EVEN_LANES(b[c], b[4 + c]), odd = ODD_LANES(b[c], b[4 + c]);
        vector far_even = EVEN_LANES(b[8 + c], b[12 + c]), far_odd = ODD_LANES(b[8 + c], b[12 + c]);
        square[c] = EVEN_LANES(even, far_even);
        square[4 + c] = EVEN_LANES(odd, far_odd);
        square[8 + c] = ODD_LANES(even, far_even);
        square[12 + c] = ODD_LANES(odd, far_odd);
    }
#undef EVEN_LANES
#undef ODD_LANES
}

/// to [d, n rounded up to whole vectors] = fromᵀ, each row padded with zeros.
INLINE void copy_transposed(float *restrict to, const float *restrict from, int64_t stride, int64_t n, int64_t d) {
    int64_t wide = padded(n);
    for (int64_t i = 0; i < n; i += 16) {
        int64_t rows = least(16, n - i), c = 0;
        for (; c + 16 <= d; c += 16) {
            vector square[16];
            for (int r = 0; r < 16; r++)
                square[r] = r < rows ? *(const vector *)(from + (i + r) * stride + c) : (vector){0};
            transpose_vectors(square);
            for (int r = 0; r < 16; r++) *(vector *)(to + (c + r) * wide + i) = square[r];
        }
        for (; c < d; c++)
            for (int64_t r = 0; r < 16; r++) to[c * wide + i + r] = r < rows ? from[(i + r) * stride + c] : 0;
    }
}

// The transposition of sixteen vectors of sixteen 32-bit elements, in registers.
#pragma once
#include <immintrin.h>

/// to[c][r] = from[r][c]
static inline __attribute__((always_inline, target("avx512f"))) void transpose(__m512i square[16]) {
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_epi32(square[i], square[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(square[i], square[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        __m512i even = _mm512_shuffle_i32x4(b[i], b[4 + i], 0x88), odd = _mm512_shuffle_i32x4(b[i], b[4 + i], 0xdd);
        __m512i far_even = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0x88);
        __m512i far_odd = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0xdd);
        square[i] = _mm512_shuffle_i32x4(even, far_even, 0x88);
        square[4 + i] = _mm512_shuffle_i32x4(odd, far_odd, 0x88);
        square[8 + i] = _mm512_shuffle_i32x4(even, far_even, 0xdd);
        square[12 + i] = _mm512_shuffle_i32x4(odd, far_odd, 0xdd);
    }
}

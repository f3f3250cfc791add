// Vectors of sixteen numbers, or of sixteen pairs of bfloat16 numbers.
#pragma once
#include <immintrin.h>

#include "vectors.h"

/// Functions for processors with AVX-512.
#define WIDE __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))
/// Functions for processors with AVX512-BF16.
#define NARROW __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")))

/// Sixteen pairs from two rows of sixteen elements; the first row gives the lower halves.
static inline __attribute__((always_inline)) NARROW __m512i interleaved(__m256i first, __m256i second) {
    return _mm512_or_si512(_mm512_cvtepu16_epi32(first), _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
}

/// to[c][r] = from[r][c]
static inline __attribute__((always_inline)) WIDE void transpose(__m512i square[16]) {
    transpose_vectors((vector *)square);
}

/// matrix + scale ⊙ sums for sixteen sums of a product; matrix and scale may each be null. The multiplication and the
/// addition are fused explicitly: the compiler would fuse them in tiles of some widths only, with other bits.
static inline __attribute__((always_inline)) WIDE __m512 finished(__m512 sums, const float *matrix,
                                                                    const float *scale) {
    if (matrix && scale) return _mm512_fmadd_ps(sums, _mm512_loadu_ps(scale), _mm512_loadu_ps(matrix));
    if (scale) return _mm512_mul_ps(sums, _mm512_loadu_ps(scale));
    return matrix ? _mm512_add_ps(sums, _mm512_loadu_ps(matrix)) : sums;
}

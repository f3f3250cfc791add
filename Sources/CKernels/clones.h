// Shared by the loops: the processor levels that they are compiled for, and an exponential that vectorises.
#pragma once
#include <stdint.h>
#include <string.h>

#include "CKernels.h"

#if defined(__x86_64__)
#define CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define CLONES
#endif

#define INLINE static inline __attribute__((always_inline))

/// exp(x) to 2 units in the last place: 2^n · P(r) with r = x − n ln 2 in two parts; flushes below −87.3, saturates above 88.3.
INLINE float fast_exp(float x) {
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    const float shifter = 12582912.0f;  // 1.5 · 2^23: adding it rounds to the nearest integer
    float n = x * 1.44269504088896341f + shifter;
    n -= shifter;
    float r = x - n * 0.693145751953125f;
    r -= n * 1.42860682030941723e-6f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    union { int32_t i; float f; } power = {.i = ((int32_t)n + 127) << 23};
    return p * power.f;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

/// The largest of n ≥ 1 values; sixteen running maxima, because a plain maximum does not vectorise under strict NaN rules.
INLINE float row_maximum(const float *x, int64_t n) {
    float lanes[16];
    for (int i = 0; i < 16; i++) lanes[i] = x[0];
    int64_t c = 0;
    for (; c + 16 <= n; c += 16)
        for (int i = 0; i < 16; i++) lanes[i] = x[c + i] > lanes[i] ? x[c + i] : lanes[i];
    float top = lanes[0];
    for (int i = 1; i < 16; i++) top = lanes[i] > top ? lanes[i] : top;
    for (; c < n; c++) top = x[c] > top ? x[c] : top;
    return top;
}

/// The start of the part of a product that begins at a row and a column.
INLINE ck_start ck_start_at(ck_start start, int64_t row, int64_t column) {
    if (start.matrix) start.matrix += row * start.stride + column;
    if (start.row) start.row += column;
    return start;
}

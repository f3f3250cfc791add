// Shared by the kernels: the processor levels to compile for, and mathematical functions that vectorise.
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

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
/// n rounded up to whole vectors of 16.
INLINE int64_t padded(int64_t n) { return (n + 15) / 16 * 16; }

/// TILE(height) for the rows that are left after tiles of eight; the height has to be a constant.
#define LAST_ROWS(COUNT, TILE) \
    switch (COUNT) {           \
    case 7: TILE(7); break;    \
    case 6: TILE(6); break;    \
    case 5: TILE(5); break;    \
    case 4: TILE(4); break;    \
    case 3: TILE(3); break;    \
    case 2: TILE(2); break;    \
    case 1: TILE(1); break;    \
    }

/// exp(x) to 2 units in the last place: 2^n · P(r) with r = x − n ln 2 in two parts; x is clamped to [−87.3, 88.3].
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

/// ln x for normal numbers x > 0 to 2 units in the last place: x = 2^e · (1 + f) with 1 + f in [√½, √2); NaN gives NaN.
INLINE float fast_log(float x) {
    union { float f; int32_t i; } bits = {.f = x};
    int32_t shifted = bits.i - 0x3f3504f3;  // √½
    float e = (float)(shifted >> 23);
    bits.i = (shifted & 0x007fffff) + 0x3f3504f3;
    float f = bits.f - 1.0f, z = f * f;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    p = p * f * z - 2.12194440e-4f * e - 0.5f * z;
    return f + p + 0.693359375f * e + (x - x);
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

/// ln(1 + exp(x)), with an absolute error of 1e-7 where it is small.
INLINE float softplus(float x) {
    float magnitude = x > 0 ? x : -x;
    return (magnitude + x) * 0.5f + fast_log(1.0f + fast_exp(-magnitude));
}

/// Maximum of n ≥ 1 values. Sixteen running maxima, because a plain maximum does not vectorise under strict NaN rules.
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

/// The epilogue of the block of a product that starts at this row and column.
INLINE ck_epilogue ck_epilogue_at(ck_epilogue epilogue, int64_t row, int64_t column) {
    if (epilogue.matrix) epilogue.matrix += row * epilogue.stride + column;
    if (epilogue.row) epilogue.row += column;
    if (epilogue.scale) epilogue.scale += column;
    return epilogue;
}

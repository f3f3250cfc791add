// Conversion to and from bfloat16: the upper half of a single-precision number, rounded to nearest, ties to even.
#include "CKernels.h"
#include "clones.h"

INLINE uint16_t narrowed(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding the bits of a NaN could overflow to a number.
    return (uint16_t)(value == value ? rounded : 0x7fc0);
}

CLONES static void narrow_any(uint16_t *restrict y, int64_t y_stride, const float *restrict x, int64_t x_stride,
                              int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) y[r * y_stride + c] = narrowed(x[r * x_stride + c]);
}

CLONES static void narrow_any_scaled(uint16_t *restrict y, const float *restrict x, const float *restrict scale,
                                     int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) y[r * cols + c] = narrowed(scale[c] * x[r * cols + c]);
}

#if defined(__x86_64__)
#include "lanes.h"

// One instruction for sixteen elements; numbers below 2^-126 become zero, as in the products.

NARROW static void narrow_vectors(uint16_t *restrict y, int64_t y_stride, const float *restrict x, int64_t x_stride,
                                  int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c += 16)
            _mm256_storeu_si256((__m256i *)(y + r * y_stride + c),
                                (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + r * x_stride + c)));
}

NARROW static void narrow_vectors_scaled(uint16_t *restrict y, const float *restrict x, const float *restrict scale,
                                         int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c += 16) {
            __m512 product = _mm512_mul_ps(_mm512_loadu_ps(scale + c), _mm512_loadu_ps(x + r * cols + c));
            _mm256_storeu_si256((__m256i *)(y + r * cols + c), (__m256i)_mm512_cvtneps_pbh(product));
        }
}
#else
#define narrow_vectors narrow_any
#define narrow_vectors_scaled narrow_any_scaled
#endif

void ck_narrow(uint16_t *restrict y, int64_t y_stride, const float *restrict x, int64_t x_stride, int64_t rows,
               int64_t cols) {
    if (cols % 16 == 0 && ck_has_bfloat16()) narrow_vectors(y, y_stride, x, x_stride, rows, cols);
    else narrow_any(y, y_stride, x, x_stride, rows, cols);
}

void ck_narrow_scaled(uint16_t *restrict y, const float *restrict x, const float *restrict scale, int64_t rows,
                      int64_t cols) {
    if (cols % 16 == 0 && ck_has_bfloat16()) narrow_vectors_scaled(y, x, scale, rows, cols);
    else narrow_any_scaled(y, x, scale, rows, cols);
}

INLINE float widened(uint16_t narrow) {
    uint32_t bits = (uint32_t)narrow << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

CLONES void ck_widen(float *restrict y, int64_t y_stride, const uint16_t *restrict x, int64_t x_stride, int64_t rows,
                     int64_t cols) {
    if (cols % 16 == 0) {
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < cols; c += 16)
                for (int lane = 0; lane < 16; lane++)
                    y[r * y_stride + c + lane] = widened(x[r * x_stride + c + lane]);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) y[r * y_stride + c] = widened(x[r * x_stride + c]);
}

CLONES void ck_narrow_column_sum(float *restrict out, const uint16_t *restrict x, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) out[c] += widened(x[r * cols + c]);
}

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

CLONES void ck_narrow(uint16_t *restrict y, int64_t y_stride, const float *restrict x, int64_t x_stride, int64_t rows,
                      int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) y[r * y_stride + c] = narrowed(x[r * x_stride + c]);
}

CLONES void ck_narrow_scaled(uint16_t *restrict y, const float *restrict x, const float *restrict scale, int64_t rows,
                             int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) y[r * cols + c] = narrowed(scale[c] * x[r * cols + c]);
}

INLINE float widened(uint16_t narrow) {
    uint32_t bits = (uint32_t)narrow << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

CLONES void ck_widen(float *restrict y, int64_t y_stride, const uint16_t *restrict x, int64_t x_stride, int64_t rows,
                     int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) y[r * y_stride + c] = widened(x[r * x_stride + c]);
}

CLONES void ck_narrow_column_sum(float *restrict out, const uint16_t *restrict x, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) out[c] += widened(x[r * cols + c]);
}

#include "CKernels.h"
#include "clones.h"

CLONES void ck_add(float *restrict y, const float *restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

CLONES double ck_sum_of_squares(const float *x, int64_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

CLONES double ck_sum_of_parts(float *y, const float *const *parts, int64_t count, int64_t n) {
    enum { BLOCK = 1024 };
    float sum[BLOCK];
    double squares = 0;
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t size = n - first < BLOCK ? n - first : BLOCK;
        memcpy(sum, parts[0] + first, (size_t)size * sizeof *sum);
        for (int64_t p = 1; p < count; p++) {
            const float *part = parts[p] + first;
            for (int64_t i = 0; i < size; i++) sum[i] += part[i];
        }
        memcpy(y + first, sum, (size_t)size * sizeof *sum);
        squares += ck_sum_of_squares(sum, size);
    }
    return squares;
}

CLONES void ck_column_sum(float *restrict out, const float *restrict x, int64_t rows, int64_t cols) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {  // four rows per pass: a quarter of the memory traffic of `out`
        const float *a = x + r * cols, *b = a + cols, *c = b + cols, *d = c + cols;
        for (int64_t i = 0; i < cols; i++) out[i] += (a[i] + b[i]) + (c[i] + d[i]);
    }
    for (; r < rows; r++)
        for (int64_t i = 0; i < cols; i++) out[i] += x[r * cols + i];
}

CLONES void ck_gather_rows(float *restrict y, const float *restrict x, const int32_t *restrict index, int64_t rows,
                           int64_t cols) {
    for (int64_t r = 0; r < rows; r++) memcpy(y + r * cols, x + (int64_t)index[r] * cols, (size_t)cols * sizeof(float));
}

CLONES void ck_scatter_add_rows(float *restrict y, const float *restrict x, const int32_t *restrict index, int64_t rows,
                                int64_t cols, int64_t first, int64_t last) {
    for (int64_t r = 0; r < rows; r++) {
        float *to = y + (int64_t)index[r] * cols;
        const float *from = x + r * cols;
        for (int64_t i = first; i < last; i++) to[i] += from[i];
    }
}

CLONES void ck_argmax_rows(int32_t *restrict index, float *restrict maximum, const float *restrict x, int64_t rows,
                           int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * cols;
        float best = row_maximum(row, cols);  // vectorises; finding its first position is then a short scan
        int64_t at = 0;
        while (at < cols - 1 && row[at] != best) at++;
        index[r] = (int32_t)at;
        maximum[r] = best;
    }
}

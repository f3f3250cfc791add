#include <math.h>

#include "CKernels.h"
#include "clones.h"

CLONES double ck_l1(float *restrict dx, const float *restrict x, const float *restrict target, float factor,
                    int64_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += (double)fabsf(x[i] - target[i]);
    if (dx) {
        for (int64_t i = 0; i < n; i++) {
            float d = x[i] - target[i];
            dx[i] = d > 0 ? factor : (d < 0 ? -factor : factor * d);  // propagates NaN
        }
    }
    return sum;
}

CLONES double ck_mse(float *restrict dx, const float *restrict x, const float *restrict target, float factor,
                     int64_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        double d = (double)(x[i] - target[i]);
        sum += d * d;
    }
    if (dx) {
        for (int64_t i = 0; i < n; i++) dx[i] = 2.0f * factor * (x[i] - target[i]);
    }
    return sum;
}

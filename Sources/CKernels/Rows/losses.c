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

CLONES double ck_huber(float *restrict dx, const float *restrict x, const float *restrict target, float delta,
                       float factor, int64_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        float d = fabsf(x[i] - target[i]);
        float inside = d < delta ? d : delta;
        // The second factor propagates NaN.
        sum += (double)inside * ((double)d - 0.5 * (double)inside);
    }
    if (dx) {
        for (int64_t i = 0; i < n; i++) {
            float d = x[i] - target[i];
            dx[i] = factor * (d > delta ? delta : (d < -delta ? -delta : d));
        }
    }
    return sum;
}

CLONES double ck_gaussian(float *restrict dx, const float *restrict x, const float *restrict target, float limit,
                          float factor, int64_t rows) {
    const double half_log_two_pi = 0.91893853320467274178;
    double sum = 0;
    for (int64_t i = 0; i < rows; i++) {
        double d = (double)x[2 * i] - (double)target[i];
        float logarithm = x[2 * i + 1];
        logarithm = logarithm > limit ? limit : (logarithm < -limit ? -limit : logarithm);
        double precision = exp(-2 * (double)logarithm);
        sum += 0.5 * d * d * precision + (double)logarithm + half_log_two_pi;
        if (dx) {
            dx[2 * i] = factor * (float)(d * precision);
            dx[2 * i + 1] = factor * (float)(1 - d * d * precision);
        }
    }
    return sum;
}

#include "CKernels.h"
#include "clones.h"

CLONES void ck_muon_direction(float *restrict direction, float *restrict momentum, const float *restrict gradient,
                              ck_muon_constants c, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float g = gradient[i] * c.gradient_scale;
        float m = c.momentum * momentum[i] + c.one_minus_momentum * g;
        momentum[i] = m;
        direction[i] = c.momentum_share * m + c.gradient_share * g;
    }
}

CLONES void ck_scaled(float *restrict y, const float *restrict x, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = factor * x[i];
}

CLONES void ck_scaled_sum(float *restrict y, float a, const float *restrict x, float b, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = a * y[i] + b * x[i];
}

#include <math.h>

#include "CKernels.h"
#include "clones.h"

/// erf(x) to 3e-7: formula 7.1.26 of Abramowitz and Stegun, because it vectorises.
INLINE float fast_erf(float x) {
    float a = fabsf(x), t = 1.0f / (1.0f + 0.3275911f * a);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    return copysignf(1.0f - p * t * fast_exp(-a * a), x);
}

INLINE float silu(float x) { return x * sigmoid(x); }

INLINE float silu_slope(float x) {
    float s = sigmoid(x);
    return s + x * s * (1.0f - s);
}

INLINE float normal_probability(float x) { return 0.5f + 0.5f * fast_erf(x * 0.70710678118654752f); }

INLINE float gelu(float x) { return x * normal_probability(x); }

INLINE float gelu_slope(float x) {
    return normal_probability(x) + x * 0.39894228040143268f * fast_exp(-0.5f * x * x);
}

INLINE float leaky(float x, float slope) { return x > 0 ? x : slope * x; }

INLINE float leaky_slope(float x, float slope) { return x > 0 ? 1.0f : slope; }

// Defines an activation from an expression f and its derivative f′: y = f(x) and dx = dy f′(x), accumulated or not.
#define DEFINE(name, parameters, f, slope)                                                                            \
    CLONES void ck_##name(float *restrict y, const float *restrict x parameters, int64_t n) {                        \
        for (int64_t i = 0; i < n; i++) y[i] = f;                                                                     \
    }                                                                                                                 \
    CLONES void ck_##name##_backward(float *restrict dx, const float *restrict dy, const float *restrict x parameters, \
                                     int accumulate, int64_t n) {                                                     \
        if (accumulate) {                                                                                             \
            for (int64_t i = 0; i < n; i++) dx[i] += dy[i] * slope;                                                   \
        } else {                                                                                                      \
            for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * slope;                                                    \
        }                                                                                                             \
    }
#define NONE
#define NEGATIVE_SLOPE , float negative_slope

DEFINE(leaky_relu, NEGATIVE_SLOPE, leaky(x[i], negative_slope), leaky_slope(x[i], negative_slope))
DEFINE(silu, NONE, silu(x[i]), silu_slope(x[i]))
DEFINE(gelu, NONE, gelu(x[i]), gelu_slope(x[i]))

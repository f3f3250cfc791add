#include "CKernels.h"
#include "clones.h"

CLONES void ck_lion(float *restrict parameter, float *restrict momentum, const float *restrict gradient,
                    ck_lion_constants c, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float g = gradient[i] * c.gradient_scale;
        float m = momentum[i];
        float u = c.beta1 * m + c.one_minus_beta1 * g;
        momentum[i] = c.beta2 * m + c.one_minus_beta2 * g;
        // A sum that is not a number must not leave the parameter as it was.
        float sign = u > 0.0f ? 1.0f : u < 0.0f ? -1.0f : u;
        parameter[i] = parameter[i] * c.decay - c.step * sign;
    }
}

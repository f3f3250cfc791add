#include <math.h>

#include "CKernels.h"
#include "clones.h"

CLONES void ck_adamw(float *restrict parameter, float *restrict first_moment, float *restrict second_moment,
                     const float *restrict gradient, ck_adamw_constants c, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float g = gradient[i] * c.gradient_scale;
        float m = first_moment[i] + c.one_minus_beta1 * (g - first_moment[i]);
        float v = c.beta2 * second_moment[i] + c.one_minus_beta2 * g * g;
        first_moment[i] = m;
        second_moment[i] = v;
        parameter[i] = parameter[i] * c.decay - c.step * m / (sqrtf(v) * c.root + c.epsilon);
    }
}

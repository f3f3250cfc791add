#include <math.h>

#include "CKernels.h"
#include "clones.h"

CLONES void ck_adamw(float *restrict parameter, float *restrict first_moment, float *restrict second_moment,
                     const float *restrict gradient, float gradient_scale, float learning_rate, float beta1, float beta2,
                     float epsilon, float weight_decay, float correction1, float correction2, int64_t n) {
    float decay = 1.0f - learning_rate * weight_decay;
    float step = learning_rate / correction1, root = 1.0f / sqrtf(correction2);
    for (int64_t i = 0; i < n; i++) {
        float g = gradient[i] * gradient_scale;
        float m = first_moment[i] + (1.0f - beta1) * (g - first_moment[i]);
        float v = beta2 * second_moment[i] + (1.0f - beta2) * g * g;
        first_moment[i] = m;
        second_moment[i] = v;
        parameter[i] = parameter[i] * decay - step * m / (sqrtf(v) * root + epsilon);
    }
}

#include "CKernels.h"
#include "clones.h"

CLONES double ck_focal(float *restrict dlogits, const float *restrict logits, const bool *restrict target, float gamma,
                       float positive_weight, float factor, int64_t n) {
    double loss = 0;
#pragma omp simd reduction(+ : loss)
    for (int64_t i = 0; i < n; i++) {
        // z is the logit of the true class, p its probability: −ln p = softplus(−z), −ln(1 − p) = softplus(z).
        float z = target[i] ? logits[i] : -logits[i], weight = target[i] ? positive_weight : 1.0f;
        float cost = softplus(-z), p = sigmoid(z), focus = fast_exp(-gamma * softplus(z));
        loss += (double)(weight * focus * cost);
        if (dlogits) {
            float dz = -weight * focus * (gamma * p * cost + 1.0f - p);
            dlogits[i] = factor * (target[i] ? dz : -dz);
        }
    }
    return loss;
}

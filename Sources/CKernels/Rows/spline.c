// Monotone rational-quadratic splines with linear tails (Durkan et al., arXiv:1906.04032). Sixteen values are processed
// in parallel, one per lane, so that softmax, running sum and bin search are short loops over the bins without
// branches. The parameters of a value, [widths | heights | derivatives], form one row. Knots and the position within a
// bin are in double precision: the width of a narrow bin is a difference of much larger numbers, and the inverse must
// match the forward function.
#include <math.h>

#include "CKernels.h"
#include "clones.h"

enum { LANES = 16, BINS = CK_SPLINE_BINS };
#define EACH_LANE _Pragma("omp simd") for (int l = 0; l < LANES; l++)

/// The bins of sixteen splines.
typedef struct {
    double x[BINS + 1][LANES], y[BINS + 1][LANES];     // the knots
    float share_x[BINS][LANES], share_y[BINS][LANES];  // softmax of the widths and the heights
    float d[BINS + 1][LANES];                          // the derivatives at the knots
    float d_gradient[BINS + 1][LANES];                 // their derivatives with respect to the parameters
} Splines;

/// The bin that contains a value.
typedef struct {
    double x0[LANES], x1[LANES], y0[LANES], y1[LANES];
    float number[LANES], d0[LANES], d1[LANES];
} Bin;

/// Softmax of scale · u, stored, and its running sum mapped to [−bound, bound].
INLINE void make_knots(double (*restrict knot)[LANES], float (*restrict share)[LANES], const float (*restrict u)[LANES],
                       float least, ck_spline s) {
    float top[LANES], sum[LANES];
    double at[LANES];
    EACH_LANE top[l] = u[0][l];
    for (int i = 1; i < s.bins; i++)
        EACH_LANE top[l] = u[i][l] > top[l] ? u[i][l] : top[l];
    EACH_LANE sum[l] = 0;
    for (int i = 0; i < s.bins; i++)
        EACH_LANE {
            share[i][l] = fast_exp(s.scale * (u[i][l] - top[l]));
            sum[l] += share[i][l];
        }
    EACH_LANE {
        sum[l] = 1.0f / sum[l];
        at[l] = -s.bound;
        knot[0][l] = -s.bound;
    }
    double spread = 2 * s.bound, rest = 1 - (double)least * s.bins;
    for (int i = 0; i < s.bins; i++)
        EACH_LANE {
            share[i][l] *= sum[l];
            at[l] += spread * (least + rest * share[i][l]);
            knot[i + 1][l] = at[l];
        }
    EACH_LANE knot[s.bins][l] = s.bound;
}

INLINE void make_splines(Splines *restrict p, const float *restrict parameters, int64_t first, int64_t lanes,
                         int64_t period, ck_spline s) {
    int count = 3 * s.bins - 1;
    float u[3 * BINS][LANES];
    for (int64_t l = 0; l < LANES; l++) {
        const float *row = parameters + (first + (l < lanes ? l : 0)) % period * count;
        for (int i = 0; i < count; i++) u[i][l] = row[i];
    }
    make_knots(p->x, p->share_x, u, s.least_width, s);
    make_knots(p->y, p->share_y, u + s.bins, s.least_height, s);
    EACH_LANE p->d[0][l] = p->d[s.bins][l] = 1.0f;  // slope of the tails
    for (int i = 1; i < s.bins; i++)
        EACH_LANE {
            float v = u[2 * s.bins + i - 1][l];
            p->d[i][l] = s.least_derivative + softplus(v);
            p->d_gradient[i][l] = sigmoid(v);
        }
}

INLINE void find_bin(Bin *restrict b, const Splines *restrict p, const double (*restrict knot)[LANES],
                     const float *restrict value, int bins) {
    EACH_LANE {
        b->number[l] = 0;
        b->x0[l] = p->x[0][l], b->x1[l] = p->x[1][l];
        b->y0[l] = p->y[0][l], b->y1[l] = p->y[1][l];
        b->d0[l] = p->d[0][l], b->d1[l] = p->d[1][l];
    }
    for (int i = 1; i < bins; i++)
        EACH_LANE {
            int here = value[l] >= knot[i][l];
            b->number[l] = here ? (float)i : b->number[l];
            b->x0[l] = here ? p->x[i][l] : b->x0[l], b->x1[l] = here ? p->x[i + 1][l] : b->x1[l];
            b->y0[l] = here ? p->y[i][l] : b->y0[l], b->y1[l] = here ? p->y[i + 1][l] : b->y1[l];
            b->d0[l] = here ? p->d[i][l] : b->d0[l], b->d1[l] = here ? p->d[i + 1][l] : b->d1[l];
        }
}

/// The values of the lanes, and which are inside the bound; unused lanes repeat the first value.
INLINE void load(float *restrict raw, float *restrict inside, const float *restrict x, int64_t lanes, float bound) {
    for (int64_t l = 0; l < LANES; l++) raw[l] = x[l < lanes ? l : 0];
    EACH_LANE {
        float v = raw[l] > -bound ? raw[l] : -bound;
        inside[l] = v < bound ? v : bound;
    }
}

/// Logarithm of the derivative at the fraction t of a bin with mean slope s.
INLINE float log_slope(double t, double s, double d0, double d1) {
    double q = t * (1 - t), below = s + (d0 + d1 - 2 * s) * q;
    double above = d1 * t * t + 2 * s * q + d0 * (1 - t) * (1 - t);
    return fast_log((float)(s * s * above / (below * below)));
}

CLONES void ck_spline_forward(float *restrict y, float *restrict log_det, const float *restrict x,
                              const float *restrict parameters, int64_t period, ck_spline s, int64_t n) {
    Splines p;
    Bin b;
    float raw[LANES], v[LANES], out[LANES], log_out[LANES];
    for (int64_t e = 0; e < n; e += LANES) {
        int64_t lanes = n - e < LANES ? n - e : LANES;
        make_splines(&p, parameters, e, lanes, period, s);
        load(raw, v, x + e, lanes, s.bound);
        find_bin(&b, &p, p.x, v, s.bins);
        EACH_LANE {
            double w = b.x1[l] - b.x0[l], h = b.y1[l] - b.y0[l], slope = h / w, d0 = b.d0[l], d1 = b.d1[l];
            double t = (v[l] - b.x0[l]) / w, q = t * (1 - t), below = slope + (d0 + d1 - 2 * slope) * q;
            int inside = raw[l] >= -s.bound && raw[l] <= s.bound;
            out[l] = inside ? (float)(b.y0[l] + h * (slope * t * t + d0 * q) / below) : raw[l];
            log_out[l] = inside ? log_slope(t, slope, d0, d1) : 0;
        }
        for (int64_t l = 0; l < lanes; l++) {
            y[e + l] = out[l];
            log_det[e + l] = log_out[l];
        }
    }
}

CLONES void ck_spline_inverse(float *restrict x, float *restrict log_det, const float *restrict y,
                              const float *restrict parameters, int64_t period, ck_spline s, int64_t n) {
    Splines p;
    Bin b;
    float raw[LANES], v[LANES], out[LANES], log_out[LANES];
    for (int64_t e = 0; e < n; e += LANES) {
        int64_t lanes = n - e < LANES ? n - e : LANES;
        make_splines(&p, parameters, e, lanes, period, s);
        load(raw, v, y + e, lanes, s.bound);
        find_bin(&b, &p, p.y, v, s.bins);
        EACH_LANE {
            double w = b.x1[l] - b.x0[l], h = b.y1[l] - b.y0[l], slope = h / w, d0 = b.d0[l], d1 = b.d1[l];
            double up = v[l] - b.y0[l], bend = d0 + d1 - 2 * slope;
            double two = up * bend + h * (slope - d0), one = h * d0 - up * bend, zero = -slope * up;
            double root = one * one - 4 * two * zero;
            double t = 2 * zero / (-one - sqrt(root > 0 ? root : 0));
            int inside = raw[l] >= -s.bound && raw[l] <= s.bound;
            out[l] = inside ? (float)(b.x0[l] + w * t) : raw[l];
            log_out[l] = inside ? -log_slope(t, slope, d0, d1) : 0;
        }
        for (int64_t l = 0; l < lanes; l++) {
            x[e + l] = out[l];
            log_det[e + l] = log_out[l];
        }
    }
}

/// Backpropagates the gradient of the two knots of a bin through running sum and softmax to the parameters.
INLINE void through_softmax(float (*restrict du)[LANES], const float (*restrict share)[LANES],
                            const float *restrict number, const float *restrict g0, const float *restrict g1,
                            float least, ck_spline s) {
    float mean[LANES], factor = 2.0f * s.bound * (1.0f - least * (float)s.bins) * s.scale;
    EACH_LANE mean[l] = 0;
    for (int i = 0; i < s.bins; i++)
        EACH_LANE {
            // The size of a bin shifts all knots after it.
            float g = (float)i < number[l] ? g0[l] + g1[l] : (float)i == number[l] ? g1[l] : 0;
            du[i][l] = g;
            mean[l] += g * share[i][l];
        }
    for (int i = 0; i < s.bins; i++)
        EACH_LANE du[i][l] = factor * share[i][l] * (du[i][l] - mean[l]);
}

CLONES void ck_spline_backward(float *restrict dx, float *restrict dparameters, const float *restrict dy,
                               const float *restrict dlog_det, const float *restrict x,
                               const float *restrict parameters, int64_t period, int accumulate, ck_spline s,
                               int64_t n) {
    Splines p;
    Bin b;
    int count = 3 * s.bins - 1;
    float raw[LANES], v[LANES], gy[LANES], gl[LANES], du[3 * BINS][LANES], out[LANES];
    float gx0[LANES], gx1[LANES], gy0[LANES], gy1[LANES], gd0[LANES], gd1[LANES];
    for (int64_t e = 0; e < n; e += LANES) {
        int64_t lanes = n - e < LANES ? n - e : LANES;
        make_splines(&p, parameters, e, lanes, period, s);
        load(raw, v, x + e, lanes, s.bound);
        find_bin(&b, &p, p.x, v, s.bins);
        for (int64_t l = 0; l < LANES; l++) {
            gy[l] = dy[e + (l < lanes ? l : 0)];
            gl[l] = dlog_det[e + (l < lanes ? l : 0)];
        }
        EACH_LANE {
            float w = (float)(b.x1[l] - b.x0[l]), h = (float)(b.y1[l] - b.y0[l]), slope = h / w;
            float d0 = b.d0[l], d1 = b.d1[l];
            float t = (float)(v[l] - b.x0[l]) / w, r = 1.0f - t, q = t * r, bend = d0 + d1 - 2.0f * slope;
            // y = y0 + h a / c, ln |det| = 2 ln s + ln f − 2 ln c
            float a = slope * t * t + d0 * q, c = slope + bend * q;
            float f = d1 * t * t + 2.0f * slope * q + d0 * r * r;
            float ga = gy[l] * h / c, gc = -(ga * a + 2.0f * gl[l]) / c, gf = gl[l] / f;
            float gs = ga * t * t + gc * (1.0f - 2.0f * q) + 2.0f * gf * q + 2.0f * gl[l] / slope;
            float gq = ga * d0 + gc * bend + 2.0f * gf * slope;
            float gt = 2.0f * ga * slope * t + gq * (r - t) + 2.0f * gf * (d1 * t - d0 * r);
            float gh = gy[l] * a / c + gs / w, gw = -(gs * slope + gt * t) / w;
            int inside = raw[l] >= -s.bound && raw[l] <= s.bound;
            out[l] = inside ? gt / w : gy[l];
            gx1[l] = inside ? gw : 0;
            gx0[l] = inside ? -gt / w - gw : 0;
            gy1[l] = inside ? gh : 0;
            gy0[l] = inside ? gy[l] - gh : 0;
            gd0[l] = inside ? ga * q + gc * q + gf * r * r : 0;
            gd1[l] = inside ? gc * q + gf * t * t : 0;
        }
        through_softmax(du, p.share_x, b.number, gx0, gx1, s.least_width, s);
        through_softmax(du + s.bins, p.share_y, b.number, gy0, gy1, s.least_height, s);
        for (int i = 1; i < s.bins; i++)
            EACH_LANE {
                float g = (float)i == b.number[l] ? gd0[l] : (float)(i - 1) == b.number[l] ? gd1[l] : 0;
                du[2 * s.bins + i - 1][l] = g * p.d_gradient[i][l];
            }
        for (int64_t l = 0; l < lanes; l++) {
            float *row = dparameters + (e + l) * count;
            dx[e + l] = out[l];
            if (accumulate) {
                for (int i = 0; i < count; i++) row[i] += du[i][l];
            } else {
                for (int i = 0; i < count; i++) row[i] = du[i][l];
            }
        }
    }
}

// The loops of kaon that are not matrix products: plain C that the compiler vectorises, once per level of the processor.
// No allocation, no state. Matrices are row-major; `rows` counts tokens, `cols` channels. A pointer named `d…` is a gradient;
// where a function takes `accumulate`, non-zero adds to the destination and zero overwrites it.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Elementwise ---------------------------------------------------------------------------------------------------------

/// y[i] += x[i]
void ck_add(float *y, const float *x, int64_t n);
/// Sum of x[i]², in double.
double ck_sum_of_squares(const float *x, int64_t n);
/// out[c] += Σ_r x[r, c]
void ck_column_sum(float *out, const float *x, int64_t rows, int64_t cols);

// Layers --------------------------------------------------------------------------------------------------------------

/// y = (x − mean) · rstd · weight + bias for every row; mean and rstd are kept for the gradient.
void ck_layer_norm(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias,
                   float epsilon, int64_t rows, int64_t cols);
/// The gradient of ck_layer_norm; dweight and dbias are added to.
void ck_layer_norm_backward(float *dx, float *dweight, float *dbias, const float *dy, const float *x, const float *mean,
                            const float *rstd, const float *weight, int accumulate, int64_t rows, int64_t cols);
/// y[r, c] = silu(x[r, c]) · x[r, cols + c]; x has 2 · cols columns.
void ck_swiglu(float *y, const float *x, int64_t rows, int64_t cols);
void ck_swiglu_backward(float *dx, const float *dy, const float *x, int accumulate, int64_t rows, int64_t cols);
/// y = x + scale ⊙ branch; scale may be null (one).
void ck_residual(float *y, const float *x, const float *branch, const float *scale, int64_t rows, int64_t cols);
/// y[r, :] = scale[r] · x[r, :]
void ck_scale_rows(float *y, const float *x, const float *scale, int64_t rows, int64_t cols);
/// dx[r, :] = scale[r] · dy[r, :]; dscale[r] += Σ_c dy[r, c] · x[r, c].
void ck_scale_rows_backward(float *dx, float *dscale, const float *dy, const float *x, const float *scale,
                            int accumulate, int64_t rows, int64_t cols);
/// dbranch = dy ⊙ scale; dscale[c] += Σ_r dy · branch.
void ck_residual_backward(float *dbranch, float *dscale, const float *dy, const float *branch, const float *scale,
                          int64_t rows, int64_t cols);

// Activations ---------------------------------------------------------------------------------------------------------

/// y = x where x > 0, negative_slope · x elsewhere.
void ck_leaky_relu(float *y, const float *x, float negative_slope, int64_t n);
void ck_leaky_relu_backward(float *dx, const float *dy, const float *x, float negative_slope, int accumulate, int64_t n);
/// y = x σ(x)
void ck_silu(float *y, const float *x, int64_t n);
void ck_silu_backward(float *dx, const float *dy, const float *x, int accumulate, int64_t n);
/// y = x Φ(x), Φ the probability below x of a standard normal number, to 3e-7.
void ck_gelu(float *y, const float *x, int64_t n);
void ck_gelu_backward(float *dx, const float *dy, const float *x, int accumulate, int64_t n);
/// y = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2
void ck_gelu_tanh(float *y, const float *x, int64_t n);
void ck_gelu_tanh_backward(float *dx, const float *dy, const float *x, int accumulate, int64_t n);
/// y[r, c] = 0 where the sixteen random bits of the element are below `dropped`, scale · x[r, c] elsewhere. The bits come
/// from Philox4x32-10: counters holds four words a row, key two; 128 columns take sixteen blocks from first_block on, and
/// bits 16 (p mod 2) … of word p / 2 of block l belong to column 16 p + l, p < 8. The gradient is the same function of dy.
void ck_dropout(float *y, const float *x, const uint32_t *counters, const uint32_t *key, uint32_t first_block,
                uint32_t dropped, float scale, int accumulate, int64_t rows, int64_t cols);

// Pooling -------------------------------------------------------------------------------------------------------------

/// One jet: weight = softmax(score), y = Σ_r weight[r] x[r, :]; zero for a jet without rows.
void ck_weighted_pooling(float *y, float *weight, const float *x, const float *score, int64_t rows, int64_t cols);
/// The gradient of ck_weighted_pooling; dscore is overwritten, dx may be null.
void ck_weighted_pooling_backward(float *dx, float *dscore, const float *dy, const float *x, const float *weight,
                                  int accumulate, int64_t rows, int64_t cols);

// Codes ---------------------------------------------------------------------------------------------------------------

/// y = (1 + rate · scale) ⊙ codes + rate · bias, the same scale and bias for every row.
void ck_affine_codes(float *y, const float *codes, const float *scale, const float *bias, float rate, int64_t rows,
                     int64_t cols);
/// The gradient of ck_affine_codes; dscale and dbias are added to, dcodes is overwritten.
void ck_affine_codes_backward(float *dcodes, float *dscale, float *dbias, const float *dy, const float *codes,
                              const float *scale, float rate, int64_t rows, int64_t cols);
/// Σ_r mean_c (latents[r, c] − codes[index[r], c])². dlatents, if not null, receives latent_factor · (latent − code); dcodes,
/// if not null, is added code_factor · (code − latent).
double ck_commitment(float *dlatents, float *dcodes, const float *latents, const float *codes, const int32_t *index,
                     float latent_factor, float code_factor, int64_t rows, int64_t cols);

// Products ------------------------------------------------------------------------------------------------------------

/// What a product is added to: a matrix, which may be the result itself, and one row for all rows; either may be null.
typedef struct {
    const float *matrix;
    int64_t stride;  // of the rows of the matrix
    const float *row;
} ck_start;
/// C = S + A B, all operands in place: a(i, l) = a[i · row + l · col], B [k, n] with rows `ldb` apart, n a multiple of 16.
/// While it works, every eighth row of k elements from `ahead` on, if that is not null, comes into the cache.
void ck_block_product(float *c, int64_t ldc, ck_start start, const float *a, int64_t row, int64_t col, const float *b,
                      int64_t ldb, int64_t m, int64_t n, int64_t k, const float *ahead);
/// The vectors of columns that one tile takes when `columns` (a multiple of 16) are left.
int ck_tile_vectors(int64_t columns);
/// C = S + op(A) op(B) as above, for matrices that do not fit into the nearest caches; transposed operands are [k, m] and
/// [n, k]. An element is summed in the order of the inner index, whatever m and n are. Made for AVX-512.
void ck_product(float *c, int64_t ldc, ck_start start, const float *a, int64_t lda, int transpose_a, const float *b,
                int64_t ldb, int transpose_b, int64_t m, int64_t n, int64_t k, float *scratch);
/// The floats of scratch memory that ck_product needs.
int64_t ck_product_scratch(int transpose_a, int64_t n, int64_t k);

// bfloat16 ------------------------------------------------------------------------------------------------------------
// Numbers of eight bits of precision in 16 bits: "narrow" here.

/// y = x, to nearest, ties to even; the rows of each stand `stride` elements apart.
void ck_narrow(uint16_t *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t rows, int64_t cols);
/// y = x, exactly.
void ck_widen(float *y, int64_t y_stride, const uint16_t *x, int64_t x_stride, int64_t rows, int64_t cols);
/// out[c] += Σ_r x[r, c], in single precision.
void ck_narrow_column_sum(float *out, const uint16_t *x, int64_t rows, int64_t cols);

/// A matrix of float or, if it is narrow, of uint16_t, with rows `stride` elements apart.
typedef struct {
    void *values;
    int64_t stride;
    int is_narrow;
} ck_matrix;
/// C = S + op(A) op(B) like ck_product, of factors that are rounded to bfloat16, summed in single precision; A is narrow.
/// n is a multiple of 16, and k and A's stride even where A is not transposed. Only where ck_has_bfloat16().
void ck_narrow_product(ck_matrix c, ck_start start, ck_matrix a, int transpose_a, ck_matrix b, int transpose_b,
                       int64_t m, int64_t n, int64_t k, float *scratch);
/// The floats of scratch memory that ck_narrow_product needs.
int64_t ck_narrow_product_scratch(int narrow_c, int transpose_a, int64_t n, int64_t k);
/// Whether this processor multiplies bfloat16 numbers (AVX512-BF16).
int ck_has_bfloat16(void);
/// The same as ck_narrow_product on tiles, for any k, with aligned scratch memory. Only where ck_has_tiles().
void ck_tile_product(ck_matrix c, ck_start start, ck_matrix a, int transpose_a, ck_matrix b, int transpose_b, int64_t m,
                     int64_t n, int64_t k, float *scratch);
int64_t ck_tile_product_scratch(int narrow_c, int64_t n, int64_t k);
/// Whether it has tiles for them, too (AMX-BF16), and the system lets this process use them; asks the system for that.
int ck_has_tiles(void);

// Attention -----------------------------------------------------------------------------------------------------------

/// The floats of scratch memory that the two functions below need for n queries, m keys and d channels.
int64_t ck_attention_scratch(int64_t n, int64_t m, int64_t d);
/// Rows of queries, and of the keys and values that they attend to; the strides are those of the rows.
typedef struct {
    const float *q, *k, *v;
    int64_t q_stride, kv_stride;
} ck_attention_inputs;
/// One head of one jet: p = softmax(scale · q kᵀ), y = p v. q and y are [n, d], k and v are [m, d], n, m ≥ 1; y has rows
/// `y_stride` apart; p receives the probabilities transposed, [key, query], m rows of n columns padded to a multiple of 16.
void ck_attention(float *y, int64_t y_stride, float *p, ck_attention_inputs in, float scale, int64_t n, int64_t m,
                  int64_t d, float *scratch);
/// The gradient of ck_attention; dq, dk, dv have rows apart as q, k, v and are overwritten.
void ck_attention_backward(float *dq, float *dk, float *dv, const float *dy, int64_t y_stride, const float *p,
                           ck_attention_inputs in, float scale, int64_t n, int64_t m, int64_t d, float *scratch);

// Splines -------------------------------------------------------------------------------------------------------------

/// The most bins of a spline.
#define CK_SPLINE_BINS 64
/// What all splines of a call have in common. A row of parameters holds `bins` widths and `bins` heights, both multiplied by
/// `scale` before their softmax, and `bins` − 1 derivatives before their softplus.
typedef struct {
    int bins;
    float bound;  // outside ± bound it is the identity
    float least_width, least_height;  // of a bin, as a part of the whole
    float least_derivative;
    float scale;
} ck_spline;
/// y[i] = spline(x[i]), log_det[i] = ln dy/dx; value i has the parameters of row i mod period.
void ck_spline_forward(float *y, float *log_det, const float *x, const float *parameters, int64_t period, ck_spline s,
                       int64_t n);
/// The inverse: x[i] with spline(x[i]) = y[i], log_det[i] = ln dx/dy.
void ck_spline_inverse(float *x, float *log_det, const float *y, const float *parameters, int64_t period, ck_spline s,
                       int64_t n);
/// The gradient of ck_spline_forward; dx is overwritten, dparameters has a row for each of the n values and is added to
/// when `accumulate` is set.
void ck_spline_backward(float *dx, float *dparameters, const float *dy, const float *dlog_det, const float *x,
                        const float *parameters, int64_t period, int accumulate, ck_spline s, int64_t n);

// Rows ----------------------------------------------------------------------------------------------------------------

/// y[r, :] = x[index[r], :]
void ck_gather_rows(float *y, const float *x, const int32_t *index, int64_t rows, int64_t cols);
/// y[index[r], first ..< last] += x[r, first ..< last]
void ck_scatter_add_rows(float *y, const float *x, const int32_t *index, int64_t rows, int64_t cols, int64_t first,
                         int64_t last);
/// index[r] = argmax_c x[r, c], the lowest c of equals.
void ck_argmax_rows(int32_t *index, float *maximum, const float *x, int64_t rows, int64_t cols);

/// y = |x_i − x_j| for all rows i < j, in the order (0, 1), (0, 2) … (1, 2) …: [rows (rows − 1) / 2, cols].
void ck_pair_distances(float *y, const float *x, int64_t rows, int64_t cols);
/// The gradient of ck_pair_distances; dx is added to.
void ck_pair_distances_backward(float *dx, const float *dy, const float *x, int64_t rows, int64_t cols);

// Losses --------------------------------------------------------------------------------------------------------------

/// Cross-entropy with label smoothing ε and class weights w (null: one):
///   loss = Σ_r (1 − ε) w[t_r] (−log p[r, t_r]) + ε / cols · Σ_c w[c] (−log p[r, c]).
/// Returns the sum over rows. When dlogits is not null it receives factor · ∂loss/∂logits and may be the logits themselves.
double ck_cross_entropy(float *dlogits, const float *logits, const int32_t *target, const float *class_weights,
                        float smoothing, float factor, int64_t rows, int64_t cols);
/// Σ |x − t|; dx = factor · sign(x − t) when not null.
double ck_l1(float *dx, const float *x, const float *target, float factor, int64_t n);
/// Σ (x − t)²; dx = factor · 2 (x − t) when not null.
double ck_mse(float *dx, const float *x, const float *target, float factor, int64_t n);

/// Focal loss: with p the probability of the true answer, Σ w (1 − p)^γ (−ln p), w = positive_weight where target is true and
/// 1 elsewhere; γ = 0 is binary cross-entropy. dlogits = factor · ∂loss/∂logits when not null.
double ck_focal(float *dlogits, const float *logits, const bool *target, float gamma, float positive_weight,
                float factor, int64_t n);

// Optimizer -----------------------------------------------------------------------------------------------------------

/// The constants of an AdamW step, computed in double by the caller: 1 − 0.999 has three digits in single precision.
typedef struct {
    float gradient_scale;   // every gradient is multiplied by it first
    float decay;            // 1 − η λ
    float step;             // η / (1 − β1^t)
    float root;             // 1 / √(1 − β2^t)
    float one_minus_beta1;
    float beta2;
    float one_minus_beta2;
    float epsilon;
} ck_adamw_constants;

/// One AdamW step (Loshchilov and Hutter, arXiv:1711.05101), in PyTorch's order of operations.
void ck_adamw(float *parameter, float *first_moment, float *second_moment, const float *gradient,
              ck_adamw_constants constants, int64_t n);

// Processor -----------------------------------------------------------------------------------------------------------

/// The widest floating-point vectors of this processor in bits: 512 (AVX-512), 256 (AVX2 with FMA), or 0 for others.
int ck_vector_level(void);
/// The cores that this process may run on: fewer than the machine has when it is bound.
int ck_usable_cores(void);
/// Asks the system to send this process a signal when the thread that started it ends; negative where it cannot.
int ck_signal_at_end_of_parent(int signal);

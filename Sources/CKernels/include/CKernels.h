// Compute kernels: loops and matrix products in plain C, which the compiler vectorises for each processor level,
// without allocation or state; and, at the end, what processor and operating system provide, by system calls. Matrices
// are row-major; `rows` is the number of tokens, `cols` the number of channels. A pointer named `d…` is a gradient. If
// a function takes `accumulate`, non-zero adds to the destination and zero overwrites it.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Elementwise ---------------------------------------------------------------------------------------------------------

/// y[i] += x[i]
void ck_add(float *y, const float *x, int64_t n);
/// y[i] = Σ_p parts[p][i], added in this order; y may be one of the parts. Returns Σ y[i]², in double.
double ck_sum_of_parts(float *y, const float *const *parts, int64_t count, int64_t n);
/// Sum of x[i]², in double.
double ck_sum_of_squares(const float *x, int64_t n);
/// out[c] += Σ_r x[r, c]
void ck_column_sum(float *out, const float *x, int64_t rows, int64_t cols);

// Layers --------------------------------------------------------------------------------------------------------------

/// y = (x − mean) · rstd · weight + bias for every row; stores mean and rstd for the gradient.
void ck_layer_norm(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias,
                   float epsilon, int64_t rows, int64_t cols);
/// The gradient of ck_layer_norm; adds to dweight and dbias.
void ck_layer_norm_backward(float *dx, float *dweight, float *dbias, const float *dy, const float *x, const float *mean,
                            const float *rstd, const float *weight, int accumulate, int64_t rows, int64_t cols);
/// y[r, c] = silu(x[r, c]) · x[r, cols + c]; x has 2 · cols columns.
void ck_swiglu(float *y, const float *x, int64_t rows, int64_t cols);
void ck_swiglu_backward(float *dx, const float *dy, const float *x, int accumulate, int64_t rows, int64_t cols);
/// y = x + scale ⊙ branch; a null scale means 1.
void ck_residual(float *y, const float *x, const float *branch, const float *scale, int64_t rows, int64_t cols);
/// y = scale ⊙ x, with one scale for each column; y may be x.
void ck_scale_columns(float *y, const float *x, const float *scale, int64_t rows, int64_t cols);
/// The gradient of y[r, :] = scale[r] · x[r, :]: dx[r, :] = scale[r] · dy[r, :]; dscale[r] += Σ_c dy[r, c] · x[r, c].
void ck_scale_rows_backward(float *dx, float *dscale, const float *dy, const float *x, const float *scale,
                            int accumulate, int64_t rows, int64_t cols);
/// dbranch = dy ⊙ scale; dscale[c] += Σ_r dy · branch.
void ck_residual_backward(float *dbranch, float *dscale, const float *dy, const float *branch, const float *scale,
                          int64_t rows, int64_t cols);

// Activations ---------------------------------------------------------------------------------------------------------

/// y = x where x > 0, negative_slope · x elsewhere.
void ck_leaky_relu(float *y, const float *x, float negative_slope, int64_t n);
void ck_leaky_relu_backward(float *dx, const float *dy, const float *x, float negative_slope, int accumulate,
                            int64_t n);
/// y = x σ(x)
void ck_silu(float *y, const float *x, int64_t n);
void ck_silu_backward(float *dx, const float *dy, const float *x, int accumulate, int64_t n);
/// y = x Φ(x), where Φ is the standard normal cumulative distribution function, accurate to 3e-7.
void ck_gelu(float *y, const float *x, int64_t n);
void ck_gelu_backward(float *dx, const float *dy, const float *x, int accumulate, int64_t n);
/// y[r, c] = 0 where the sixteen random bits of the element are below `dropped`, scale · x[r, c] elsewhere. The bits
/// come from Philox4x32-10: counters has four words per row, key two words; 128 columns use sixteen blocks starting at
/// first_block, and column 16 p + l, p < 8, uses bits 16 (p mod 2) … of word p / 2 of block l. The gradient is the same
/// function of dy.
void ck_dropout(float *y, const float *x, const uint32_t *counters, const uint32_t *key, uint32_t first_block,
                uint32_t dropped, float scale, int accumulate, int64_t rows, int64_t cols);

// Pooling -------------------------------------------------------------------------------------------------------------

/// One jet: weight = softmax(score), y = Σ_r weight[r] x[r, :]; zero for a jet without rows.
void ck_weighted_pooling(float *y, float *weight, const float *x, const float *score, int64_t rows, int64_t cols);
/// The gradient of ck_weighted_pooling; overwrites dscore; dx may be null.
void ck_weighted_pooling_backward(float *dx, float *dscore, const float *dy, const float *x, const float *weight,
                                  int accumulate, int64_t rows, int64_t cols);

// Codes ---------------------------------------------------------------------------------------------------------------

/// y = (1 + rate · scale) ⊙ codes + rate · bias, the same scale and bias for every row.
void ck_affine_codes(float *y, const float *codes, const float *scale, const float *bias, float rate, int64_t rows,
                     int64_t cols);
/// The gradient of ck_affine_codes; adds to dscale and dbias, overwrites dcodes.
void ck_affine_codes_backward(float *dcodes, float *dscale, float *dbias, const float *dy, const float *codes,
                              const float *scale, float rate, int64_t rows, int64_t cols);
/// Returns Σ_r mean_c (latents[r, c] − codes[index[r], c])². If not null, dlatents = latent_factor · (latent − code)
/// and dcodes[index[r], :] += code_factor · (code − latent).
double ck_commitment(float *dlatents, float *dcodes, const float *latents, const float *codes, const int32_t *index,
                     float latent_factor, float code_factor, int64_t rows, int64_t cols);

// Products ------------------------------------------------------------------------------------------------------------

/// The epilogue S of a product with the sums X: S(X) = matrix + scale ⊙ (X + row). The row and the scale, which apply
/// to all rows, and the matrix, which may be the result itself, may each be null.
typedef struct {
    const float *matrix;
    int64_t stride;  // row stride of the matrix
    const float *row;
    const float *scale;
} ck_epilogue;
/// C = S(A B) without copies: a(i, l) = a[i · row + l · col], B [k, n] with row stride `ldb`, n a multiple of 16.
void ck_block_product(float *c, int64_t ldc, ck_epilogue epilogue, const float *a, int64_t row, int64_t col,
                      const float *b, int64_t ldb, int64_t m, int64_t n, int64_t k);
/// Width of the next tile in vectors of 16 columns, given the number of remaining columns (a multiple of 16).
int ck_tile_vectors(int64_t columns);
/// C = S(op(A) op(B)) as above, blocked for matrices larger than the caches; transposed operands are [k, m] and [n,
/// k]. Each element is summed in the order of the inner index, independent of m and n. For AVX-512.
void ck_product(float *c, int64_t ldc, ck_epilogue epilogue, const float *a, int64_t lda, int transpose_a,
                const float *b, int64_t ldb, int transpose_b, int64_t m, int64_t n, int64_t k, float *scratch);
/// Number of floats of scratch memory for ck_product.
int64_t ck_product_scratch(int transpose_a, int64_t n, int64_t k);

/// Instructions that multiply: single-precision vectors, AVX512-BF16, and AMX tiles.
typedef enum { CK_VECTORS, CK_BFLOAT16_VECTORS, CK_TILES } ck_instructions;
/// Multiplies and adds in registers alone, `rounds` times, and returns the number of floating-point operations. The
/// processor must have the instructions.
double ck_peak_loop(ck_instructions instructions, int64_t rounds);

// bfloat16 ------------------------------------------------------------------------------------------------------------
// "narrow" means bfloat16 (8 bits of precision, 16 bits of storage).

/// y = x, rounded to nearest, ties to even; the strides are the row strides in elements.
void ck_narrow(uint16_t *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t rows, int64_t cols);
/// y = scale ⊙ x, rounded in the same way.
void ck_narrow_scaled(uint16_t *y, const float *x, const float *scale, int64_t rows, int64_t cols);
/// y = x, exactly.
void ck_widen(float *y, int64_t y_stride, const uint16_t *x, int64_t x_stride, int64_t rows, int64_t cols);
/// out[c] += Σ_r x[r, c], in single precision.
void ck_narrow_column_sum(float *out, const uint16_t *x, int64_t rows, int64_t cols);

/// A matrix of float or, if narrow, of bfloat16 (uint16_t), with row stride `stride` in elements.
typedef struct {
    void *values;
    int64_t stride;
    int is_narrow;
} ck_matrix;
/// A factor of a bfloat16 product: op(X), where op is the identity or the transposition.
typedef struct {
    ck_matrix matrix;
    int is_transposed;
    // For B instead of the matrix: a part of what ck_lay_out wrote, from the panel of the first column of this product
    // on, and the number of columns from there to the end of B. Null for none.
    const uint16_t *layout;
    int64_t columns_left;
} ck_factor;
/// C = S(op(A) op(B)) like ck_product, with factors rounded to bfloat16 and single-precision sums; A is narrow. n must
/// be a multiple of 16; if A is not transposed, k and the stride of A must be even. Requires ck_has_bfloat16().
void ck_narrow_product(ck_matrix c, ck_epilogue epilogue, ck_factor a, ck_factor b, int64_t m, int64_t n, int64_t k,
                       float *scratch);
/// Number of floats of scratch memory for ck_narrow_product; has_layout: B has one.
int64_t ck_narrow_product_scratch(int narrow_c, int transpose_a, int has_layout, int64_t n, int64_t k);
/// Non-zero if this processor supports bfloat16 products (AVX512-BF16).
int ck_has_bfloat16(void);
/// Like ck_narrow_product, with AMX tiles, for any k; the scratch memory must be aligned. Requires ck_has_tiles().
void ck_tile_product(ck_matrix c, ck_epilogue epilogue, ck_factor a, ck_factor b, int64_t m, int64_t n, int64_t k,
                     float *scratch);
int64_t ck_tile_product_scratch(int narrow_c, int has_layout, int64_t n, int64_t k);
/// Non-zero if this processor has bfloat16 tiles (AMX-BF16) and the system permits their use; requests the permission.
int ck_has_tiles(void);

/// The order of the elements of a bfloat16 factor B [k, n] in which a product reads it in place: panels of up to
/// `vectors` · 16 columns, the last ones narrower. In a panel the inner index is divided into groups of `pairs` pairs,
/// and each group is [vectors, pairs, 16 columns, 2]; the last group is filled up with zeros.
typedef struct {
    int vectors, pairs;
} ck_layout;
/// The layouts that ck_narrow_product and ck_tile_product read.
ck_layout ck_narrow_layout(void);
ck_layout ck_tile_layout(void);
/// Width of the panel of a layout that starts `columns` before the end, in vectors of 16 columns.
int ck_panel_vectors(ck_layout layout, int64_t columns);
/// Number of elements of a panel per column: k, rounded up to whole groups.
int64_t ck_layout_depth(ck_layout layout, int64_t k);
/// Lays out 16 rows, from `row` on, of a weight W [outputs, inputs] for the products y = x Wᵀ (`forward`, k = inputs)
/// and dx = dy W (`backward`, k = outputs). Both dimensions are multiples of 16. Requires ck_has_bfloat16().
void ck_lay_out(ck_layout layout, uint16_t *forward, uint16_t *backward, const float *weight, int64_t row,
                int64_t outputs, int64_t inputs);

// Attention -----------------------------------------------------------------------------------------------------------

/// Dropout of the attention weights of one head of one jet: the weights of key j are a row of ck_dropout with
/// `counter`, whose first word is j in its upper half, and `key`. None if `dropped` is 0.
typedef struct {
    uint32_t counter[4], key[2], first_block, dropped;
    float scale;
} ck_weight_dropout;
/// y = dropout(x) for the weights of `keys` keys, [keys, columns]; y may be x.
void ck_drop_weights(float *y, const float *x, ck_weight_dropout dropout, int64_t keys, int64_t columns);
/// Number of floats of scratch memory for the two functions below with n queries, m keys and d channels.
int64_t ck_attention_scratch(int64_t n, int64_t m, int64_t d);
/// Queries, keys and values, with their row strides.
typedef struct {
    const float *q, *k, *v;
    int64_t q_stride, kv_stride;
    const float *bias;  // added to the scaled scores, in the layout of the probabilities; may be null
    bool is_causal;     // query i attends to keys j ≤ i alone
    ck_weight_dropout dropout;
} ck_attention_inputs;
/// Starts to read the first `columns` elements of some rows into the second-level cache.
void ck_prefetch(ck_matrix x, int64_t rows, int64_t columns);
/// One head of one jet: p = softmax(scale · q kᵀ), y = dropout(p) v. q and y are [n, d], k and v are [m, d], n, m ≥ 1.
/// y has row stride `y_stride`; p receives the transposed probabilities [key, query]: m rows of n columns, padded to a
/// multiple of 16.
void ck_attention(float *y, int64_t y_stride, float *p, ck_attention_inputs in, float scale, int64_t n, int64_t m,
                  int64_t d, float *scratch);
/// The gradient of ck_attention; overwrites dq, dk, dv, which have the row strides of q, k, v; adds to dbias, which has
/// the layout of p and may be null.
void ck_attention_backward(float *dq, float *dk, float *dv, float *dbias, const float *dy, int64_t y_stride,
                           const float *p, ck_attention_inputs in, float scale, int64_t n, int64_t m, int64_t d,
                           float *scratch);

/// Largest numbers of queries and keys of a tile of the functions below.
#define CK_ATTENTION_QUERIES 96
#define CK_ATTENTION_KEYS 128
/// One head of one jet: queries [n, d], keys and values [m, d] of either element type.
typedef struct {
    ck_matrix q, k, v;
    const float *bias;  // [m, bias_stride ≥ padded n], added to the scaled scores of [key, query]; may be null
    int64_t bias_stride;
    float scale;
    int64_t m, d;
    bool is_causal;  // query i attends to keys j ≤ i alone
} ck_tiled_inputs;
/// y = softmax(scale · q kᵀ + bias) v for `count` ≤ CK_ATTENTION_QUERIES queries from `first` on; lse[i] = the
/// logarithm of the softmax's denominator of query i.
void ck_tiled_attention(ck_matrix y, float *lse, ck_tiled_inputs in, int64_t first, int64_t count, float *scratch);
/// Number of floats of scratch memory for ck_tiled_attention.
int64_t ck_tiled_attention_scratch(int64_t d);
/// Gradients of the inputs; the values of dq, of dk and dv, and dbias may be null.
typedef struct {
    ck_matrix dq, dk, dv;
    float *dbias;  // with the stride of the bias
} ck_tiled_gradients;
/// Queries or keys start ..< end; both are multiples of the tile or the end of the jet.
typedef struct {
    int64_t start, end;
} ck_tile_range;
/// The gradient of ck_tiled_attention, of some queries and some keys: overwrites their rows of dq, summed over these
/// keys, and of dk and dv, summed over these queries; adds to dbias. The bits do not depend on how the queries and keys
/// of the gradients that are not summed are divided among calls.
void ck_tiled_attention_backward(ck_tiled_gradients out, ck_matrix dy, ck_matrix y, const float *lse,
                                 ck_tiled_inputs in, ck_tile_range queries, ck_tile_range keys, float *scratch);
/// Number of floats of scratch memory for ck_tiled_attention_backward.
int64_t ck_tiled_attention_backward_scratch(int64_t queries, int64_t d);

// Splines -------------------------------------------------------------------------------------------------------------

/// Maximum number of bins of a spline.
#define CK_SPLINE_BINS 64
/// Settings shared by all splines of a call. A row of parameters consists of `bins` widths and `bins` heights, which
/// are multiplied by `scale` before the softmax, and `bins` − 1 derivatives before the softplus.
typedef struct {
    int bins;
    float bound;                      // the spline is the identity outside ± bound
    float least_width, least_height;  // minimum size of a bin, as a fraction of the interval
    float least_derivative;
    float scale;
} ck_spline;
/// y[i] = spline(x[i]), log_det[i] = ln dy/dx; value i uses the parameters of row i mod period.
void ck_spline_forward(float *y, float *log_det, const float *x, const float *parameters, int64_t period, ck_spline s,
                       int64_t n);
/// The inverse: x[i] with spline(x[i]) = y[i], log_det[i] = ln dx/dy.
void ck_spline_inverse(float *x, float *log_det, const float *y, const float *parameters, int64_t period, ck_spline s,
                       int64_t n);
/// The gradient of ck_spline_forward; overwrites dx; dparameters has one row for each of the n values, added to if
/// `accumulate` is set.
void ck_spline_backward(float *dx, float *dparameters, const float *dy, const float *dlog_det, const float *x,
                        const float *parameters, int64_t period, int accumulate, ck_spline s, int64_t n);

// Rows ----------------------------------------------------------------------------------------------------------------

/// y[r, :] = x[index[r], :]
void ck_gather_rows(float *y, const float *x, const int32_t *index, int64_t rows, int64_t cols);
/// y[index[r], first ..< last] += x[r, first ..< last]
void ck_scatter_add_rows(float *y, const float *x, const int32_t *index, int64_t rows, int64_t cols, int64_t first,
                         int64_t last);
/// index[r] = argmax_c x[r, c], the lowest c among equal values; maximum[r] = x[r, index[r]].
void ck_argmax_rows(int32_t *index, float *maximum, const float *x, int64_t rows, int64_t cols);

/// Features of the pairs i ≤ j of constituents, in the order (0, 0), (0, 1) … (1, 1) …: [rows (rows + 1) / 2, count].
/// Constituents are rows of pT, rapidity, φ and m². Feature 0 is ln ΔR, 1 is ln kT, 2 is ln z, 3 is ln m², with
/// kT = min(pT) ΔR, z = min(pT) / Σ pT, and arguments of at least 1e-8.
void ck_pair_features(float *y, const float *momenta, const int32_t *features, int64_t count, int64_t rows);
/// Symmetric matrices [heads, n, n padded to 16] of the values [pairs, heads] of the pairs i ≤ j, n = in_front + rows;
/// zero in the rows and columns of the tokens in front.
void ck_spread_pairs(float *to, const float *pairs, int64_t heads, int64_t in_front, int64_t rows);
/// The gradient of ck_spread_pairs.
void ck_gather_pairs(float *pairs, const float *from, int accumulate, int64_t heads, int64_t in_front, int64_t rows);

/// y = |x_i − x_j| for all rows i < j, in the order (0, 1), (0, 2) … (1, 2) …: [rows (rows − 1) / 2, cols].
void ck_pair_distances(float *y, const float *x, int64_t rows, int64_t cols);
/// The gradient of ck_pair_distances; adds to dx.
void ck_pair_distances_backward(float *dx, const float *dy, const float *x, int64_t rows, int64_t cols);

// Losses --------------------------------------------------------------------------------------------------------------

/// Cross-entropy with label smoothing ε and class weights w (null: 1):
///   loss = Σ_r (1 − ε) w[t_r] (−log p[r, t_r]) + ε / cols · Σ_c w[c] (−log p[r, c]).
/// Returns the sum over rows. If not null, dlogits = factor · ∂loss/∂logits; it may alias the logits.
double ck_cross_entropy(float *dlogits, const float *logits, const int32_t *target, const float *class_weights,
                        float smoothing, float factor, int64_t rows, int64_t cols);
/// Returns Σ |x − t|; dx = factor · sign(x − t) if not null.
double ck_l1(float *dx, const float *x, const float *target, float factor, int64_t n);
/// Returns Σ (x − t)²; dx = factor · 2 (x − t) if not null.
double ck_mse(float *dx, const float *x, const float *target, float factor, int64_t n);
/// Returns Σ h(x − t), h(d) = d²/2 for |d| ≤ δ, δ (|d| − δ/2) otherwise; dx = factor · h'(x − t) if not null.
double ck_huber(float *dx, const float *x, const float *target, float delta, float factor, int64_t n);
/// Negative logarithm of normal densities of t, x = [μ | s] [rows, 2] with s = ln σ, limited to ±limit:
///   Σ ½ ((t − μ) / σ)² + s + ½ ln 2π; dx = factor · ∂/∂x if not null, that of s as if it were not limited.
double ck_gaussian(float *dx, const float *x, const float *target, float limit, float factor, int64_t rows);

/// Focal loss Σ w (1 − p)^γ (−ln p), where p is the probability of the true class and w = positive_weight where target
/// is true, 1 elsewhere; γ = 0 is binary cross-entropy. dlogits = factor · ∂loss/∂logits if not null.
double ck_focal(float *dlogits, const float *logits, const bool *target, float gamma, float positive_weight,
                float factor, int64_t n);

// Optimizer -----------------------------------------------------------------------------------------------------------

/// The constants of an AdamW step, computed in double by the caller: in single precision 1 − 0.999 has three digits.
typedef struct {
    float gradient_scale;   // multiplies every gradient first
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

/// The constants of a Lion step.
typedef struct {
    float gradient_scale;   // multiplies every gradient first
    float decay;            // 1 − η λ
    float step;             // η
    float beta1;
    float one_minus_beta1;
    float beta2;
    float one_minus_beta2;
} ck_lion_constants;

/// One Lion step (Chen et al., arXiv:2302.06675); the sign of 0 is 0.
void ck_lion(float *parameter, float *momentum, const float *gradient, ck_lion_constants constants, int64_t n);

/// The constants of the momentum of Muon.
typedef struct {
    float gradient_scale;   // multiplies every gradient first
    float momentum;         // μ
    float one_minus_momentum;
    float momentum_share;   // of the momentum in the direction
    float gradient_share;   // of the gradient in the direction
} ck_muon_constants;

/// m ← μ m + (1 − μ) g, and the direction of the update, a weighted sum of m and g.
void ck_muon_direction(float *direction, float *momentum, const float *gradient, ck_muon_constants constants,
                       int64_t n);
/// y = factor · x.
void ck_scaled(float *y, const float *x, float factor, int64_t n);
/// y ← a y + b x.
void ck_scaled_sum(float *y, float a, const float *x, float b, int64_t n);

// Processor and operating system --------------------------------------------------------------------------------------

/// The widest floating-point vectors of this processor in bits: 512 (AVX-512), 256 (AVX2 with FMA), or 0 for others.
int ck_vector_level(void);
/// Hint to the processor that the thread is waiting in a loop.
static inline void ck_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}
/// The cores that this process may run on: fewer than the machine has when it is bound.
int ck_usable_cores(void);
/// Asks the system to send this process a signal when the thread that started it ends; negative where it cannot.
int ck_signal_at_end_of_parent(int signal);
/// Descriptor of a new, empty file in memory that has no path; negative where the system refuses it.
int ck_memory_file(const char *name);

#pragma once
#include <stddef.h>
#include <stdint.h>

#include <oneapi/dnnl/dnnl.h>

// The library's threads are those of OpenMP, if any; kaon's pool calls it from each of its own.
extern void omp_set_num_threads(int threads) __attribute__((weak));

typedef struct {
    void *values;
    int64_t stride;
    int is_transposed;
    int is_narrow;
} kaon_dnnl_matrix;

static inline int kaon_dnnl_describe(dnnl_memory_desc_t *description, int64_t rows, int64_t columns, kaon_dnnl_matrix m) {
    dnnl_dims_t dims = {rows, columns}, strides = {m.is_transposed ? 1 : m.stride, m.is_transposed ? m.stride : 1};
    dnnl_data_type_t type = m.is_narrow ? dnnl_bf16 : dnnl_f32;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(description, 2, dims, type, strides);
#else
    return dnnl_memory_desc_init_by_strides(description, 2, dims, type, strides);
#endif
}

/// The engine of the processor, made once.
static inline dnnl_engine_t kaon_dnnl_engine(void) {
    dnnl_engine_t engine = NULL;
    return dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success ? engine : NULL;
}

/// C = A B + bias (+ C), in the calling thread; bias is one row of single precision or null. The library keeps the programs
/// that it wrote for the latest shapes. Returns its status, zero for success.
static inline int kaon_dnnl_multiply(dnnl_engine_t engine, kaon_dnnl_matrix c, kaon_dnnl_matrix a, kaon_dnnl_matrix b,
                                     const float *bias, int adds, int64_t m, int64_t n, int64_t k) {
    enum { SOURCE, WEIGHTS, TARGET, BIAS, OPERANDS };
    int64_t rows[OPERANDS] = {m, k, m, 1}, columns[OPERANDS] = {k, n, n, n};
    kaon_dnnl_matrix matrices[OPERANDS] = {a, b, c, {(void *)(uintptr_t)bias, n, 0, 0}};
    int names[OPERANDS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
    int count = bias ? OPERANDS : BIAS, status = 0, made = 0;
    dnnl_memory_desc_t descriptions[OPERANDS];
    dnnl_memory_t memory[OPERANDS] = {NULL};
    dnnl_exec_arg_t arguments[OPERANDS];
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t post = NULL;
    dnnl_primitive_desc_t plan = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_stream_t stream = NULL;

    if (omp_set_num_threads) omp_set_num_threads(1);
    for (; !status && made < count; made++) {
        status = kaon_dnnl_describe(&descriptions[made], rows[made], columns[made], matrices[made]);
        if (status) break;
    }
    if (!status) status = dnnl_primitive_attr_create(&attributes);
    if (!status && adds) {
        status = dnnl_post_ops_create(&post);
#if DNNL_VERSION_MAJOR >= 3
        if (!status) status = dnnl_post_ops_append_sum(post, 1, 0, dnnl_data_type_undef);
#else
        if (!status) status = dnnl_post_ops_append_sum(post, 1);
#endif
        if (!status) status = dnnl_primitive_attr_set_post_ops(attributes, post);
    }
#if DNNL_VERSION_MAJOR >= 3
    if (!status)
        status = dnnl_matmul_primitive_desc_create(&plan, engine, descriptions[SOURCE], descriptions[WEIGHTS],
                                                   bias ? descriptions[BIAS] : NULL, descriptions[TARGET], attributes);
#else
    dnnl_matmul_desc_t operation;
    if (!status)
        status = dnnl_matmul_desc_init(&operation, &descriptions[SOURCE], &descriptions[WEIGHTS],
                                       bias ? &descriptions[BIAS] : NULL, &descriptions[TARGET]);
    if (!status) status = dnnl_primitive_desc_create(&plan, &operation, attributes, engine, NULL);
#endif
    if (!status) status = dnnl_primitive_create(&primitive, plan);
    if (!status) status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    for (int i = 0; !status && i < count; i++) {
#if DNNL_VERSION_MAJOR >= 3
        status = dnnl_memory_create(&memory[i], descriptions[i], engine, matrices[i].values);
#else
        status = dnnl_memory_create(&memory[i], &descriptions[i], engine, matrices[i].values);
#endif
        arguments[i].arg = names[i];
        arguments[i].memory = memory[i];
    }
    if (!status) status = dnnl_primitive_execute(primitive, stream, count, arguments);
    if (!status) status = dnnl_stream_wait(stream);

    for (int i = 0; i < count; i++)
        if (memory[i]) dnnl_memory_destroy(memory[i]);
#if DNNL_VERSION_MAJOR >= 3
    for (int i = 0; i < made; i++) dnnl_memory_desc_destroy(descriptions[i]);
#endif
    if (stream) dnnl_stream_destroy(stream);
    if (primitive) dnnl_primitive_destroy(primitive);
    if (plan) dnnl_primitive_desc_destroy(plan);
    if (post) dnnl_post_ops_destroy(post);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    return status;
}

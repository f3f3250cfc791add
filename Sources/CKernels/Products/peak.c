// Loops of multiplications and additions in registers alone, at the highest rate that a core can reach. Their results
// are not used: empty assembly keeps the compiler from removing or merging the operations.
#include "CKernels.h"
#include "clones.h"

#if defined(__x86_64__)
#define KEEP(X) __asm__ volatile("" : "+v"(X))
#else
#define KEEP(X) __asm__ volatile("" : "+w"(X))
#endif

#if defined(__x86_64__)
#include "lanes.h"

WIDE static double vectors_of_16(int64_t rounds) {
    __m512 sum[24], a = _mm512_set1_ps(1e-9f), b = _mm512_set1_ps(0.5f);
    for (int i = 0; i < 24; i++) sum[i] = _mm512_setzero_ps();
    KEEP(a);
    KEEP(b);
    for (int64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < 24; i++) sum[i] = _mm512_fmadd_ps(a, b, sum[i]);
        for (int i = 0; i < 24; i++) KEEP(sum[i]);
    }
    return 24.0 * 32 * (double)rounds;
}

__attribute__((target("avx2,fma"))) static double vectors_of_8(int64_t rounds) {
    __m256 sum[12], a = _mm256_set1_ps(1e-9f), b = _mm256_set1_ps(0.5f);
    for (int i = 0; i < 12; i++) sum[i] = _mm256_setzero_ps();
    KEEP(a);
    KEEP(b);
    for (int64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < 12; i++) sum[i] = _mm256_fmadd_ps(a, b, sum[i]);
        for (int i = 0; i < 12; i++) KEEP(sum[i]);
    }
    return 12.0 * 16 * (double)rounds;
}

NARROW static double bfloat16_vectors(int64_t rounds) {
    __m512 sum[24];
    __m512i a = _mm512_set1_epi32(0x30003000), b = _mm512_set1_epi32(0x3f003f00);
    for (int i = 0; i < 24; i++) sum[i] = _mm512_setzero_ps();
    KEEP(a);
    KEEP(b);
    for (int64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < 24; i++) sum[i] = _mm512_dpbf16_ps(sum[i], (__m512bh)a, (__m512bh)b);
        for (int i = 0; i < 24; i++) KEEP(sum[i]);
    }
    return 24.0 * 64 * (double)rounds;
}

#if defined(__linux__)
/// Four sums of tiles from two tiles of each factor, which are zero.
__attribute__((target("amx-tile,amx-bf16"))) static double tiles(int64_t rounds) {
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } shapes = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        shapes.bytes[t] = 64;
        shapes.rows[t] = 16;
    }
    _tile_loadconfig(&shapes);
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    _tile_zero(4); _tile_zero(5); _tile_zero(6); _tile_zero(7);
    for (int64_t round = 0; round < rounds; round++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return 4.0 * 2 * 16 * 16 * 32 * (double)rounds;
}
#else
static double tiles(int64_t rounds) { return 0; }
#endif

#else
static double vectors_of_16(int64_t rounds) { return 0; }
static double vectors_of_8(int64_t rounds) { return 0; }
static double bfloat16_vectors(int64_t rounds) { return 0; }
static double tiles(int64_t rounds) { return 0; }
#endif

/// For processors without any of these: a multiplication and an addition each.
static double vectors_of_4(int64_t rounds) {
    typedef float vector __attribute__((vector_size(16)));
    vector sum[8] = {{0}}, a = {1e-9f, 1e-9f, 1e-9f, 1e-9f}, b = {0.5f, 0.5f, 0.5f, 0.5f};
    KEEP(a);
    KEEP(b);
    for (int64_t round = 0; round < rounds; round++) {
        for (int i = 0; i < 8; i++) sum[i] = sum[i] * b + a;
        for (int i = 0; i < 8; i++) KEEP(sum[i]);
    }
    return 8.0 * 8 * (double)rounds;
}

double ck_peak_loop(ck_instructions instructions, int64_t rounds) {
    switch (instructions) {
    case CK_TILES: return tiles(rounds);
    case CK_BFLOAT16_VECTORS: return bfloat16_vectors(rounds);
    case CK_VECTORS: break;
    }
    switch (ck_vector_level()) {
    case 512: return vectors_of_16(rounds);
    case 256: return vectors_of_8(rounds);
    default: return vectors_of_4(rounds);
    }
}

// The AMX instructions of tile_product.c as functions on memory (Intel 64 and IA-32 Architectures Software Developer's
// Manual, volume 2). Registers have the rows and bytes of the configuration; what a load leaves out is zero.
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} Configuration;

enum { REGISTERS = 8, ROWS = 16, BYTES = 64 };

static _Thread_local struct {
    Configuration shapes;  // palette 0: no tiles may be used
    uint8_t registers[REGISTERS][ROWS][BYTES];
} tiles;

/// An exception of the processor.
static void require(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "AMX exception: %s\n", what);
    abort();
}

static void load_configuration(const void *from) {
    memset(&tiles, 0, sizeof tiles);
    Configuration shapes;
    memcpy(&shapes, from, sizeof shapes);
    require(shapes.palette == 1 && shapes.start_row == 0, "an invalid palette or start row");
    for (int i = 0; i < 14; i++) require(shapes.reserved[i] == 0, "a reserved byte is set");
    for (int t = 0; t < 16; t++) {
        require(shapes.rows[t] <= ROWS && shapes.bytes[t] <= BYTES, "a tile is too large");
        require((shapes.rows[t] == 0) == (shapes.bytes[t] == 0), "a tile has rows or bytes alone");
        require(t < REGISTERS || shapes.rows[t] == 0, "a tile that does not exist is configured");
    }
    tiles.shapes = shapes;
}

static void release(void) { memset(&tiles, 0, sizeof tiles); }

static void check(int t) {
    require(tiles.shapes.palette == 1 && t >= 0 && t < REGISTERS && tiles.shapes.rows[t] > 0,
            "a tile that is not configured");
}

static void zero(int t) {
    check(t);
    memset(tiles.registers[t], 0, sizeof tiles.registers[t]);
}

static void load(int t, const void *from, int64_t stride) {
    zero(t);
    for (int r = 0; r < tiles.shapes.rows[t]; r++)
        memcpy(tiles.registers[t][r], (const char *)from + r * stride, tiles.shapes.bytes[t]);
}

static void store(int t, void *to, int64_t stride) {
    check(t);
    for (int r = 0; r < tiles.shapes.rows[t]; r++)
        memcpy((char *)to + r * stride, tiles.registers[t][r], tiles.shapes.bytes[t]);
}

/// Numbers below the smallest normal one are zero, as operands and as results.
static inline float flushed(float x) { return x > -0x1p-126f && x < 0x1p-126f ? 0 : x; }

static inline float widened_element(const uint8_t *row, int element) {
    uint16_t narrow;
    memcpy(&narrow, row + 2 * element, sizeof narrow);
    uint32_t bits = (uint32_t)narrow << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return flushed(value);
}

/// c [m, n] += a [m, k pairs] b [k pairs, n]; the first and the second elements of the pairs have separate sums.
static void multiply(int c, int a, int b) {
    check(c);
    check(a);
    check(b);
    const Configuration *shapes = &tiles.shapes;
    int m = shapes->rows[c], n = shapes->bytes[c] / 4, k = shapes->bytes[a] / 4;
    require(a != b && a != c && b != c, "two operands are one tile");
    require(shapes->bytes[a] % 4 == 0 && shapes->bytes[b] % 4 == 0 && shapes->bytes[c] % 4 == 0, "part of a number");
    require(shapes->rows[a] == m && shapes->rows[b] == k && shapes->bytes[b] == shapes->bytes[c],
            "the shapes of the operands do not match");
    for (int i = 0; i < m; i++) {
        float sums[2][ROWS] = {{0}};
        for (int l = 0; l < k; l++)
            for (int half = 0; half < 2; half++) {
                float left = widened_element(tiles.registers[a][i], 2 * l + half);
                for (int j = 0; j < n; j++) {
                    float right = widened_element(tiles.registers[b][l], 2 * j + half);
                    sums[half][j] = flushed(sums[half][j] + left * right);
                }
            }
        float row[ROWS];
        memcpy(row, tiles.registers[c][i], sizeof row);
        for (int j = 0; j < n; j++) row[j] = flushed(flushed(row[j]) + flushed(sums[0][j] + sums[1][j]));
        memset(tiles.registers[c][i], 0, BYTES);
        memcpy(tiles.registers[c][i], row, 4 * (size_t)n);
    }
}

#undef _tile_loadd
#undef _tile_stream_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadconfig load_configuration
#define _tile_release release
#define _tile_zero zero
#define _tile_loadd load
#define _tile_stream_loadd load
#define _tile_stored store
#define _tile_dpbf16ps multiply

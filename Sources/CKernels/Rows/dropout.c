#include "CKernels.h"
#include "clones.h"

enum { LANES = 16, PIECES = 8 };

/// Ten rounds of Philox4x32 for sixteen consecutive blocks of one counter; words[w][l] is word w of block first + l.
INLINE void philox_blocks(uint32_t words[4][LANES], const uint32_t *counter, const uint32_t *key, uint32_t first) {
    for (uint32_t l = 0; l < LANES; l++) {
        words[0][l] = counter[0] | (first + l);
        words[1][l] = counter[1];
        words[2][l] = counter[2];
        words[3][l] = counter[3];
    }
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < LANES; l++) {
            uint64_t p0 = (uint64_t)words[0][l] * 0xD2511F53u, p1 = (uint64_t)words[2][l] * 0xCD9E8D57u;
            uint32_t c1 = words[1][l], c3 = words[3][l];
            words[0][l] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
            words[1][l] = (uint32_t)p1;
            words[2][l] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            words[3][l] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/// One row of ck_dropout.
INLINE void drop_row(float *y, const float *x, const uint32_t *counter, const uint32_t *key, uint32_t block,
                     uint32_t dropped, float scale, int accumulate, int64_t cols) {
    for (int64_t start = 0; start < cols; start += LANES * PIECES, block += LANES) {
        uint32_t words[4][LANES];
        philox_blocks(words, counter, key, block);
        for (int piece = 0; piece < PIECES; piece++) {  // sixteen bits of each block give sixteen columns
            int64_t first = start + piece * LANES, n = cols - first;
            if (n <= 0) break;
            if (n > LANES) n = LANES;
            float factor[LANES];
            int shift = 16 * (piece & 1);
            for (int l = 0; l < LANES; l++)
                factor[l] = ((words[piece >> 1][l] >> shift) & 0xFFFFu) < dropped ? 0.0f : scale;
            if (accumulate) {
                for (int64_t l = 0; l < n; l++) y[first + l] += factor[l] * x[first + l];
            } else {
                for (int64_t l = 0; l < n; l++) y[first + l] = factor[l] * x[first + l];
            }
        }
    }
}

CLONES void ck_dropout(float *restrict y, const float *restrict x, const uint32_t *restrict counters,
                       const uint32_t *restrict key, uint32_t first_block, uint32_t dropped, float scale,
                       int accumulate, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++)
        drop_row(y + r * cols, x + r * cols, counters + 4 * r, key, first_block, dropped, scale, accumulate, cols);
}

CLONES void ck_drop_weights(float *y, const float *x, ck_weight_dropout d, int64_t keys, int64_t columns) {
    for (int64_t j = 0; j < keys; j++) {
        d.counter[0] = (uint32_t)j << 16;
        drop_row(y + j * columns, x + j * columns, d.counter, d.key, d.first_block, d.dropped, d.scale, 0, columns);
    }
}

// ck_tile_product of CKernels, compiled against an emulation of the AMX instructions, for processors without them.
#pragma once
#include "CKernels.h"

/// Requires ck_has_bfloat16(); ends the process where an instruction would raise an exception.
void emulated_tile_product(ck_matrix c, ck_epilogue epilogue, ck_factor a, ck_factor b, int64_t m, int64_t n, int64_t k,
                           float *scratch);
int64_t emulated_tile_product_scratch(int narrow_c, int has_layout, int64_t n, int64_t k);

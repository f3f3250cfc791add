#if defined(__x86_64__)
#include "instructions.h"
#endif

// The functions of this translation unit have other names than those of CKernels.
#define ck_tile_product emulated_tile_product
#define ck_tile_product_scratch emulated_tile_product_scratch
#define ck_tile_layout emulated_tile_layout
#define ck_has_tiles emulated_has_tiles
#include "../../Sources/CKernels/Products/tile_product.c"

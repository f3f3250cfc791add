internal import CKernels
import System

/// The implementations of a product on one thread, by element type of the factors and instruction set.
///
/// This is the only place that chooses one: a new instruction set is a case here. What a kernel may find prepared (a
/// packed factor) is described by `Factor`, and what it does to the sums by `Epilogue`.
package enum ProductKernel: String, CaseIterable, Sendable {
    /// kaon's own kernel for single precision with AVX-512: it copies less than a library that must serve all shapes,
    /// and is a fifth to a third faster than OpenBLAS for 64 to 256 channels, as fast for 512 to 2048. Whole vectors of
    /// columns.
    case avx512
    /// OpenBLAS, for single precision on other processors and other numbers of columns.
    case openBLAS = "openblas"
    /// AVX512-BF16, for bfloat16. Whole vectors of columns.
    case avx512BFloat16 = "avx512_bf16"
    /// AMX, for bfloat16. Whole vectors of columns.
    case amx

    /// The kernels that this processor can run.
    package static var available: [ProductKernel] {
        allCases.filter { kernel in
            switch kernel {
            case .avx512: hasAVX512
            case .openBLAS: true
            case .avx512BFloat16: Precision.hasBFloat16
            case .amx: BFloat16Instructions.hasTiles
            }
        }
    }

    /// The precision of the factors.
    package var precision: Precision {
        switch self {
        case .avx512, .openBLAS: .single
        case .avx512BFloat16, .amx: .bfloat16
        }
    }

    /// The kernel for a block of a product on this processor.
    init(factors elementType: ScalarType, columns: Int) {
        switch elementType {
        case .float32:
            self = hasAVX512 && columns % 16 == 0 ? .avx512 : .openBLAS
        case .bfloat16:
            invariant(columns % 16 == 0, "a bfloat16 product of \(columns) columns, which is not a multiple of 16")
            switch BFloat16Instructions.inUse {
            case .vectors: self = .avx512BFloat16
            case .tiles: self = .amx
            }
        }
    }

    /// Computes a block of C, which is not empty.
    func run(_ product: MatrixProduct, rows: Range<Int>, columns: Range<Int>) {
        let (row, column) = (rows.lowerBound, columns.lowerBound)
        let a = product.a.operand(row: row, column: 0)
        let b = product.b.operand(row: 0, column: column)
        let c = product.c.part(row: row, column: column)
        let epilogue = product.epilogue.part(row: row, column: column)
        let (m, n, k) = (Int64(rows.count), Int64(columns.count), Int64(product.k))
        let hasLayout: Int32 = b.layout == nil ? 0 : 1
        switch self {
        case .avx512:
            product.checkSinglePrecision()
            withScratch(ck_product_scratch(a.is_transposed, n, k)) { scratch in
                ck_product(
                    c.floats, c.stride, epilogue, a.matrix.floats, a.matrix.stride, a.is_transposed, b.matrix.floats,
                    b.matrix.stride, b.is_transposed, m, n, k, scratch)
            }
        case .openBLAS:
            product.checkSinglePrecision()
            BLAS.multiply(product, rows: rows, columns: columns)
        case .avx512BFloat16:
            withScratch(ck_narrow_product_scratch(c.is_narrow, a.is_transposed, hasLayout, n, k)) { scratch in
                ck_narrow_product(c, epilogue, a, b, m, n, k, scratch)
            }
        case .amx:
            withScratch(ck_tile_product_scratch(c.is_narrow, hasLayout, n, k)) { scratch in
                ck_tile_product(c, epilogue, a, b, m, n, k, scratch)
            }
        }
    }

    private func withScratch(_ floats: Int64, _ body: (UnsafeMutablePointer<Float>) -> Void) {
        let scratch = Tensor(shape: [Int(floats)])
        withExtendedLifetime(scratch) { body(scratch.pointer) }
    }
}

private let hasAVX512 = ck_vector_level() == 512

extension MatrixProduct {
    fileprivate func checkSinglePrecision() {
        invariant(
            a.tensor.elementType == .float32 && b.tensor.elementType == .float32 && c.elementType == .float32,
            "a product of single-precision factors with a bfloat16 operand")
    }
}

extension ck_matrix {
    /// The elements of a single-precision matrix.
    var floats: UnsafeMutablePointer<Float> { values.assumingMemoryBound(to: Float.self) }
}

internal import CKernels
internal import COpenBLAS

/// The BLAS library, OpenBLAS.
package enum BLAS {
    /// The processor type whose kernels OpenBLAS uses, such as `SkylakeX`.
    package static var coreName: String { String(cString: openblas_get_corename()) }

    /// The version of the library, such as `0.3.21`; `unknown` if it does not name one.
    package static var version: String {
        // "OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY SkylakeX MAX_THREADS=64"
        let words = String(cString: openblas_get_config()).split(separator: " ")
        return words.count > 1 && words[0] == "OpenBLAS" ? String(words[1]) : "unknown"
    }

    /// The processor type to force on OpenBLAS where it took this processor for an older one; nil where its choice is
    /// good.
    ///
    /// Its table of models ends before many that have AVX-512, which slows products down by a factor of two to six.
    package static var betterCore: String? {
        let wide = ["SkylakeX", "Cooperlake", "SapphireRapids"]
        switch ck_vector_level() {
        case 512: return wide.contains(coreName) ? nil : "SkylakeX"
        case 256: return (wide + ["Haswell", "Zen"]).contains(coreName) ? nil : "Haswell"
        default: return nil
        }
    }

    /// Keeps OpenBLAS from starting threads of its own: every thread of kaon's pool calls it.
    package static func useCallingThreadOnly() { openblas_set_num_threads(1) }

    /// Runs before the first product: OpenBLAS' threads do not survive the fork in MPI_Init.
    private static let singleThreaded: Void = useCallingThreadOnly()

    /// Computes a block of a single-precision product on the calling thread.
    static func multiply(_ product: MatrixProduct, rows: Range<Int>, columns: Range<Int>) {
        _ = singleThreaded
        let a = product.a.part(row: rows.lowerBound, column: 0)
        let b = product.b.part(row: 0, column: columns.lowerBound)
        let c = product.c.part(row: rows.lowerBound, column: columns.lowerBound)
        // sgemm adds to C, which holds the other terms already; a scale applies to its result.
        let isScaled = product.epilogue.scale != nil
        let accumulates = !product.epilogue.isIdentity && !isScaled
        if accumulates { product.epilogue.writeInitialValues(into: product.c, rows: rows, columns: columns) }
        cblas_sgemm(
            CblasRowMajor, product.a.isTransposed ? CblasTrans : CblasNoTrans,
            product.b.isTransposed ? CblasTrans : CblasNoTrans, blasint(rows.count), blasint(columns.count),
            blasint(product.k), 1, a.floats, blasint(a.stride), b.floats, blasint(b.stride), accumulates ? 1 : 0,
            c.floats, blasint(c.stride))
        if isScaled { product.epilogue.apply(to: product.c, rows: rows, columns: columns) }
    }
}

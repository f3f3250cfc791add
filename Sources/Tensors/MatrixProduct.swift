internal import CKernels
internal import COpenBLAS

/// A row-major matrix in memory whose rows stand `stride` elements apart.
struct Matrix {
    var pointer: UnsafeMutablePointer<Float>
    var stride: Int

    init(_ pointer: UnsafeMutablePointer<Float>, stride: Int) {
        self.pointer = pointer
        self.stride = stride
    }

    init(_ tensor: Tensor) {
        self.init(tensor.pointer, stride: tensor.columns)
    }

    func advanced(rows: Int = 0, columns: Int = 0) -> Matrix {
        Matrix(pointer + rows * stride + columns, stride: stride)
    }
}

enum Transpose { case no, yes }

/// Done before the first product: the threads of OpenBLAS do not survive the fork in MPI_Init, and the pool has its own.
private let singleThreadedBLAS: Void = BLAS.useCallingThreadOnly()

/// C = α op(A) op(B) + β C on one thread; C is [m, n], the inner dimension is k.
func multiply(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: Matrix, _ transposeA: Transpose, _ b: Matrix,
    _ transposeB: Transpose, beta: Float = 0, into c: Matrix
) {
    guard m > 0, n > 0 else { return }
    _ = singleThreadedBLAS
    cblas_sgemm(
        CblasRowMajor, transposeA == .yes ? CblasTrans : CblasNoTrans,
        transposeB == .yes ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k), alpha, a.pointer,
        blasint(a.stride), b.pointer, blasint(b.stride), beta, c.pointer, blasint(c.stride))
}

/// C = α op(A) op(B) + β C on all threads: each computes a block of rows or of columns of C, whichever is longer.
func parallelMultiply(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: Matrix, _ transposeA: Transpose, _ b: Matrix,
    _ transposeB: Transpose, beta: Float = 0, into c: Matrix
) {
    let grain = max(8, 1_000_000 / max(1, k * min(m, n)))
    if m >= n {
        parallel(m, grain: grain) { rows in
            let first = rows.lowerBound
            let part = transposeA == .yes ? a.advanced(columns: first) : a.advanced(rows: first)
            multiply(
                m: rows.count, n: n, k: k, alpha: alpha, part, transposeA, b, transposeB, beta: beta,
                into: c.advanced(rows: first))
        }
    } else {
        parallel(n, grain: grain) { columns in
            let first = columns.lowerBound
            let part = transposeB == .yes ? b.advanced(rows: first) : b.advanced(columns: first)
            multiply(
                m: m, n: columns.count, k: k, alpha: alpha, a, transposeA, part, transposeB, beta: beta,
                into: c.advanced(columns: first))
        }
    }
}

/// The BLAS library behind the products.
public enum BLAS {
    /// The kernels that OpenBLAS chose for this processor, such as `SkylakeX`.
    public static var coreName: String { String(cString: openblas_get_corename()) }

    /// Keeps OpenBLAS from starting threads of its own: kaon's pool calls it from each of its threads.
    public static func useCallingThreadOnly() { openblas_set_num_threads(1) }

    /// The rate of the machine's own product C = A Bᵀ with M = 4096, N = K = 512, on all threads of the pool, as the
    /// best of several repetitions.
    ///
    /// - Returns: 10⁹ floating-point operations per second (2 M N K per product).
    public static func measuredGigaflops(seconds: Double = 1) -> Double {
        let (m, n, k) = (4096, 512, 512)
        let a = Tensor(repeating: 0.5, shape: [m, k])
        let b = Tensor(repeating: 0.25, shape: [n, k])
        let c = Tensor(repeating: 0, shape: [m, n])
        let clock = ContinuousClock()
        var best = Duration.seconds(3600)
        let begin = clock.now
        while begin.duration(to: clock.now) < .seconds(seconds) {
            let time = clock.measure {
                parallelMultiply(m: m, n: n, k: k, Matrix(a), .no, Matrix(b), .yes, into: Matrix(c))
            }
            best = min(best, time)
        }
        return 2 * Double(m * n * k) / (best / .seconds(1)) / 1e9
    }
}

extension BLAS {
    /// The core type that OpenBLAS should be told of, when it took this processor for an older one: its table of models
    /// ends before many that have AVX-512 (measured: a factor of two to six in the rate of products). Nil when its choice
    /// is as good as any.
    public static var betterCore: String? {
        let wide = ["SkylakeX", "Cooperlake", "SapphireRapids"]
        switch ck_vector_level() {
        case 512: return wide.contains(coreName) ? nil : "SkylakeX"
        case 256: return (wide + ["Haswell", "Zen"]).contains(coreName) ? nil : "Haswell"
        default: return nil
        }
    }
}

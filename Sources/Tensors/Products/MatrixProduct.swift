internal import CKernels
internal import COpenBLAS
import System

/// A row-major matrix in memory whose rows stand `stride` elements apart.
struct Matrix {
    let address: UnsafeMutableRawPointer
    let stride: Int
    /// Whether the elements are bfloat16 numbers.
    let isNarrow: Bool

    private init(_ address: UnsafeMutableRawPointer, stride: Int, isNarrow: Bool) {
        (self.address, self.stride, self.isNarrow) = (address, stride, isNarrow)
    }

    init(_ pointer: UnsafeMutablePointer<Float>, stride: Int) {
        self.init(pointer, stride: stride, isNarrow: false)
    }

    init(_ tensor: Tensor) {
        self.init(tensor.pointer, stride: tensor.columns)
    }

    init(_ tensor: NarrowTensor) {
        self.init(tensor.pointer, stride: tensor.columns, isNarrow: true)
    }

    init(_ values: Values) {
        switch values {
        case .single(let tensor): self.init(tensor)
        case .narrow(let tensor): self.init(tensor)
        }
    }

    /// The elements of a matrix of single precision.
    var pointer: UnsafeMutablePointer<Float> {
        invariant(!isNarrow, "a product of single precision was handed bfloat16 numbers")
        return address.assumingMemoryBound(to: Float.self)
    }

    /// The elements of a matrix of bfloat16 numbers.
    var narrowPointer: UnsafeMutablePointer<UInt16> {
        invariant(isNarrow, "a matrix of single precision has no bfloat16 numbers")
        return address.assumingMemoryBound(to: UInt16.self)
    }

    func advanced(rows: Int = 0, columns: Int = 0) -> Matrix {
        Matrix(address + (rows * stride + columns) * (isNarrow ? 2 : 4), stride: stride, isNarrow: isNarrow)
    }

    fileprivate var inC: ck_matrix { ck_matrix(values: address, stride: Int64(stride), is_narrow: isNarrow ? 1 : 0) }
}

enum Transpose { case no, yes }

/// Done before the first product: the threads of OpenBLAS do not survive the fork in MPI_Init, and the pool has its own.
private let singleThreadedBLAS: Void = BLAS.useCallingThreadOnly()

/// What a product is added to: a matrix, which may be the result itself, and one row for all rows of the result (a bias).
struct ProductStart {
    var matrix: Matrix?
    var row: UnsafePointer<Float>?

    static var zero: ProductStart { ProductStart() }

    func advanced(rows: Int = 0, columns: Int = 0) -> ProductStart {
        ProductStart(matrix: matrix?.advanced(rows: rows, columns: columns), row: row.map { $0 + columns })
    }

    /// C = S.
    func write(into c: Matrix, m: Int, n: Int) {
        for i in 0..<m {
            let to = c.pointer + i * c.stride
            if let matrix {
                let from = matrix.pointer + i * matrix.stride
                if from != to { to.update(from: from, count: n) }
                if let row { ck_add(to, row, Int64(n)) }
            } else if let row {
                to.update(from: row, count: n)
            } else {
                to.update(repeating: 0, count: n)
            }
        }
    }

    fileprivate var inC: ck_start {
        ck_start(matrix: matrix?.pointer, stride: Int64(matrix?.stride ?? 0), row: row)
    }
}

/// C = S + op(A) op(B) on one thread; C is [m, n], the inner dimension is k.
///
/// Where A is of bfloat16 numbers, B is rounded to them too, the sums are of single precision, and C is of either.
///
/// Processors with AVX-512 use kaon's own kernels, which copy less than a library that does not know the shapes: for 64 to
/// 256 channels they are a fifth to a third faster than OpenBLAS, for 512 to 2048 as fast. All others use OpenBLAS, which
/// also takes the few products whose number of columns is not a multiple of 16.
func multiply(
    m: Int, n: Int, k: Int, _ a: Matrix, _ transposeA: Transpose, _ b: Matrix, _ transposeB: Transpose,
    from start: ProductStart = .zero, into c: Matrix
) {
    guard m > 0, n > 0 else { return }
    // The gradient of a weight without a single token is still written: what it holds is of an earlier step.
    guard k > 0 else { return start.write(into: c, m: m, n: n) }
    if a.isNarrow {
        invariant(n % 16 == 0, "products of bfloat16 numbers have whole vectors of columns, not \(n) columns")
        let narrow: Int32 = c.isNarrow ? 1 : 0
        let (left, right): (Int32, Int32) = (transposeA == .yes ? 1 : 0, transposeB == .yes ? 1 : 0)
        switch NarrowProducts.inUse {
        case .tiles:
            let scratch = Tensor(shape: [Int(ck_tile_product_scratch(narrow, Int64(n), Int64(k)))])
            withExtendedLifetime(scratch) {
                ck_tile_product(
                    c.inC, start.inC, a.inC, left, b.inC, right, Int64(m), Int64(n), Int64(k), scratch.pointer)
            }
        case .vectors:
            let scratch = Tensor(shape: [Int(ck_narrow_product_scratch(narrow, left, Int64(n), Int64(k)))])
            withExtendedLifetime(scratch) {
                ck_narrow_product(
                    c.inC, start.inC, a.inC, left, b.inC, right, Int64(m), Int64(n), Int64(k), scratch.pointer)
            }
        }
        return
    }
    if hasOwnKernels, n % 16 == 0 {
        let scratch = Tensor(
            shape: [Int(ck_product_scratch(transposeA == .yes ? 1 : 0, Int64(n), Int64(k)))])
        withExtendedLifetime(scratch) {
            ck_product(
                c.pointer, Int64(c.stride), start.inC, a.pointer, Int64(a.stride), transposeA == .yes ? 1 : 0, b.pointer, Int64(b.stride),
                transposeB == .yes ? 1 : 0, Int64(m), Int64(n), Int64(k), scratch.pointer)
        }
        return
    }
    let isZero = start.matrix == nil && start.row == nil
    if !isZero { start.write(into: c, m: m, n: n) }
    BLAS.multiply(m: m, n: n, k: k, a, transposeA, b, transposeB, beta: isZero ? 0 : 1, into: c)
}

private let hasOwnKernels = ck_vector_level() == 512

/// C = S + op(A) op(B) on all threads: each computes a block of rows or of columns of C, whichever is longer.
func parallelMultiply(
    m: Int, n: Int, k: Int, _ a: Matrix, _ transposeA: Transpose, _ b: Matrix, _ transposeB: Transpose,
    from start: ProductStart = .zero, into c: Matrix
) {
    parallelProduct(m: m, n: n, k: k, a, transposeA, b, transposeB, into: c) { m, n, a, b, c, row, column in
        multiply(
            m: m, n: n, k: k, a, transposeA, b, transposeB, from: start.advanced(rows: row, columns: column), into: c)
    }
}

/// Cuts a product into a block of rows or of columns of C for each thread and calls `body(rows, columns, its A, its B, its C,
/// first row, first column)`.
private func parallelProduct(
    m: Int, n: Int, k: Int, _ a: Matrix, _ transposeA: Transpose, _ b: Matrix, _ transposeB: Transpose, into c: Matrix,
    _ body: (Int, Int, Matrix, Matrix, Matrix, Int, Int) -> Void
) {
    let grain = max(8, 1_000_000 / max(1, k * min(m, n)))
    if m >= n {
        parallel(m, grain: grain) { rows in
            let first = rows.lowerBound
            let part = transposeA == .yes ? a.advanced(columns: first) : a.advanced(rows: first)
            body(rows.count, n, part, b, c.advanced(rows: first), first, 0)
        }
    } else {
        // Whole vectors of columns for each.
        parallel((n + 15) / 16, grain: (grain + 15) / 16) { vectors in
            let first = vectors.lowerBound * 16
            let part = transposeB == .yes ? b.advanced(rows: first) : b.advanced(columns: first)
            body(m, min(n, vectors.upperBound * 16) - first, a, part, c.advanced(columns: first), 0, first)
        }
    }
}

/// The BLAS library behind the products.
package enum BLAS {
    /// The kernels that OpenBLAS chose for this processor, such as `SkylakeX`.
    package static var coreName: String { String(cString: openblas_get_corename()) }

    /// Keeps OpenBLAS from starting threads of its own: kaon's pool calls it from each of its threads.
    package static func useCallingThreadOnly() { openblas_set_num_threads(1) }

    /// C = op(A) op(B) + β C by the library, on the calling thread.
    static func multiply(
        m: Int, n: Int, k: Int, _ a: Matrix, _ transposeA: Transpose, _ b: Matrix, _ transposeB: Transpose,
        beta: Float, into c: Matrix
    ) {
        _ = singleThreadedBLAS
        cblas_sgemm(
            CblasRowMajor, transposeA == .yes ? CblasTrans : CblasNoTrans,
            transposeB == .yes ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k), 1, a.pointer,
            blasint(a.stride), b.pointer, blasint(b.stride), beta, c.pointer, blasint(c.stride))
    }

    /// The rate of the machine's own product C = A Bᵀ with M = 4096, N = K = 512, on all threads of the pool, as the
    /// best of several repetitions.
    ///
    /// - Returns: 10⁹ floating-point operations per second (2 M N K per product).
    package static func measuredGigaflops(seconds: Double = 1) -> Double {
        let (m, n, k) = (4096, 512, 512)
        let a = Tensor(repeating: 0.5, shape: [m, k])
        let b = Tensor(repeating: 0.25, shape: [n, k])
        let c = Tensor(repeating: 0, shape: [m, n])
        let clock = ContinuousClock()
        var best = Duration.seconds(3600)
        let begin = clock.now
        while begin.duration(to: clock.now) < .seconds(seconds) {
            let time = clock.measure {
                parallelProduct(m: m, n: n, k: k, Matrix(a), .no, Matrix(b), .yes, into: Matrix(c)) {
                    m, n, a, b, c, _, _ in BLAS.multiply(m: m, n: n, k: k, a, .no, b, .yes, beta: 0, into: c)
                }
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
    package static var betterCore: String? {
        let wide = ["SkylakeX", "Cooperlake", "SapphireRapids"]
        switch ck_vector_level() {
        case 512: return wide.contains(coreName) ? nil : "SkylakeX"
        case 256: return (wide + ["Haswell", "Zen"]).contains(coreName) ? nil : "Haswell"
        default: return nil
        }
    }
}

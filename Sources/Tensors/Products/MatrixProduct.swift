internal import CKernels
import System

/// The description of a matrix product, C = op(A) op(B) + epilogue, where op is the identity or the transposition.
///
/// A and B have one element type, or A is bfloat16 and B single-precision, which the kernels then round to bfloat16.
/// Sums are in single precision. C is single-precision, or bfloat16 where A is.
///
///     MatrixProduct(Factor(x), .transposed(weight), into: y, epilogue: Epilogue(bias: bias)).run()
struct MatrixProduct {
    let a: Factor
    let b: Factor
    let c: Tensor
    let epilogue: Epilogue
    /// C is [m, n]; the inner dimension is k.
    let m: Int
    let n: Int
    let k: Int

    init(_ a: Factor, _ b: Factor, into c: Tensor, epilogue: Epilogue = Epilogue()) {
        let (m, n, k) = (a.rows, b.columns, a.columns)
        invariant(b.rows == k, "a product of factors with inner dimensions \(k) and \(b.rows)")
        invariant(c.shape == [m, n], "a product of shape \([m, n]) does not fit into \(c.shape)")
        invariant(epilogue.addend.map { $0.shape == c.shape } ?? true, "an addend of another shape than the product")
        invariant(epilogue.bias.map { $0.count == n } ?? true, "a bias needs one value for each of \(n) columns")
        invariant(epilogue.scale.map { $0.count == n } ?? true, "a scale needs one value for each of \(n) columns")
        (self.a, self.b, self.c, self.epilogue) = (a, b, c, epilogue)
        (self.m, self.n, self.k) = (m, n, k)
    }

    /// Computes C on all threads, which take blocks of rows or of columns, whichever are more.
    ///
    /// - Parameter kernel: replaces the choice of kernel, for measurements.
    func run(with kernel: ProductKernel? = nil) {
        let grain = max(8, 1_000_000 / max(1, k * min(m, n)))
        if m >= n {
            // Whole tiles of rows. Without a layout every piece packs B.
            parallel((m + 7) / 8, grain: (grain + 7) / 8, piecesPerThread: b.layout == nil ? 1 : 4) { tiles in
                let rows = tiles.lowerBound * 8..<min(m, tiles.upperBound * 8)
                compute(rows: rows, columns: 0..<n, with: kernel)
            }
        } else {
            // Whole panels of the layout, or vectors of columns.
            let edges = b.layout.map { _ in WeightLayout.panelEdges(columns: n) }
            let units = edges.map { $0.count - 1 } ?? (n + 15) / 16
            parallel(units, grain: max(1, grain * units / n), piecesPerThread: b.layout == nil ? 1 : 4) { part in
                let columns =
                    edges.map { $0[part.lowerBound]..<$0[part.upperBound] }
                    ?? part.lowerBound * 16..<min(n, part.upperBound * 16)
                compute(rows: 0..<m, columns: columns, with: kernel)
            }
        }
    }

    /// Computes a block of C on the calling thread.
    private func compute(rows: Range<Int>, columns: Range<Int>, with kernel: ProductKernel?) {
        guard !rows.isEmpty, !columns.isEmpty else { return }
        // Without a single token the gradient of a weight must still be overwritten.
        guard k > 0 else { return epilogue.writeInitialValues(into: c, rows: rows, columns: columns) }
        let kernel = kernel ?? ProductKernel(factors: a.tensor.elementType, columns: columns.count)
        kernel.run(self, rows: rows, columns: columns)
    }
}

/// A matrix or its transpose as an operand of a product.
struct Factor {
    let tensor: Tensor
    let isTransposed: Bool
    /// The same factor as bfloat16 products read it in place; see `WeightLayout`. For B alone.
    let layout: Tensor?

    init(_ tensor: Tensor) { self.init(tensor, isTransposed: false, layout: nil) }
    private init(_ tensor: Tensor, isTransposed: Bool, layout: Tensor?) {
        (self.tensor, self.isTransposed, self.layout) = (tensor, isTransposed, layout)
    }

    static func transposed(_ tensor: Tensor) -> Factor { Factor(tensor, isTransposed: true, layout: nil) }

    /// The factor Wᵀ of y = x Wᵀ, for activations of an element type.
    static func forward(_ weight: Variable, _ type: ScalarType) -> Factor {
        Factor(weight.value, isTransposed: true, layout: type == .bfloat16 ? weight.layout?.forward : nil)
    }

    /// The factor W of dx = dy W, for gradients of an element type.
    static func backward(_ weight: Variable, _ type: ScalarType) -> Factor {
        Factor(weight.value, isTransposed: false, layout: type == .bfloat16 ? weight.layout?.backward : nil)
    }

    /// The rows of op(X).
    var rows: Int { isTransposed ? tensor.columns : tensor.rows }
    /// The columns of op(X).
    var columns: Int { isTransposed ? tensor.rows : tensor.columns }

    /// The part of the matrix in memory that starts at a row and a column of op(X).
    func part(row: Int, column: Int) -> ck_matrix {
        isTransposed ? tensor.part(row: column, column: row) : tensor.part(row: row, column: column)
    }

    /// The operand of a bfloat16 kernel that starts at a row and a column of op(X).
    func operand(row: Int, column: Int) -> ck_factor {
        ck_factor(
            matrix: part(row: row, column: column), is_transposed: isTransposed ? 1 : 0,
            layout: layout.map { WeightLayout.panel(of: $0, column: column, k: rows) },
            columns_left: Int64(columns - column))
    }
}

/// The operation on the sums of a product before they are stored: C = addend + scale ⊙ (sums + bias).
struct Epilogue {
    /// A single-precision matrix of the shape of C, which may be C itself (accumulation).
    var addend: Tensor?
    /// One single-precision value for each column.
    var bias: Tensor?
    /// One single-precision value for each column; nil for 1.
    var scale: Tensor?

    /// True if the sums are stored as they are.
    var isIdentity: Bool { addend == nil && bias == nil && scale == nil }

    /// The operands for a block of C that starts at a row and a column.
    func part(row: Int, column: Int) -> ck_epilogue {
        ck_epilogue(
            matrix: addend.map { UnsafePointer($0.pointer + row * $0.columns + column) },
            stride: Int64(addend?.columns ?? 0), row: bias.map { UnsafePointer($0.pointer + column) },
            scale: scale.map { UnsafePointer($0.pointer + column) })
    }

    /// Applies the epilogue to a block of C that holds the sums; `addend` is not C.
    func apply(to c: Tensor, rows: Range<Int>, columns: Range<Int>) {
        let n = columns.count
        for row in rows {
            let to = c.pointer + row * c.columns + columns.lowerBound
            if let bias { ck_add(to, bias.pointer + columns.lowerBound, Int64(n)) }
            if let scale { ck_scale_columns(to, to, scale.pointer + columns.lowerBound, 1, Int64(n)) }
            if let addend { ck_add(to, addend.pointer + row * c.columns + columns.lowerBound, Int64(n)) }
        }
    }

    /// The block of C as it is for sums of zero.
    func writeInitialValues(into c: Tensor, rows: Range<Int>, columns: Range<Int>) {
        let (width, n) = (c.columns, columns.count)
        let constant = bias.map { bias in columns.map { (scale?.buffer[$0] ?? 1) * bias.buffer[$0] } }
        for row in rows {
            let first = row * width + columns.lowerBound
            let to = c.pointer + first
            if let addend {
                let from = addend.pointer + first
                if from != to { to.update(from: from, count: n) }
                if let constant { ck_add(to, constant, Int64(n)) }
            } else if let constant {
                to.update(from: constant, count: n)
            } else {
                to.update(repeating: 0, count: n)
            }
        }
    }
}

extension Tensor {
    /// The part of a matrix that starts at a row and a column.
    func part(row: Int, column: Int) -> ck_matrix {
        ck_matrix(
            values: address + (row * columns + column) * elementType.size, stride: Int64(columns),
            is_narrow: elementType == .bfloat16 ? 1 : 0)
    }
}

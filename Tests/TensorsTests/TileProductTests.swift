import CKernels
import CTileEmulation
import Tensors
import Testing

/// The bfloat16 products on AMX tiles, with emulated instructions, against plain sums. All numbers are integers or
/// halves that single precision holds exactly: results agree bit by bit.
@Suite(.enabled(if: Precision.hasBFloat16)) struct TileProductTests {
    /// The operands of a product C [m, n] = op(A) op(B) with inner length k, as the three products of a linear map have
    /// them. The float factors are rounded by the product.
    enum Kind: String, CaseIterable {
        /// y = x Wᵀ
        case forward
        /// dx = dy W
        case inputGradient
        /// dW = dyᵀ x
        case weightGradient

        var aIsTransposed: Bool { self == .weightGradient }
        var bIsTransposed: Bool { self == .forward }
    }

    /// Rows, columns and inner length: edges of tiles in each dimension, odd inner lengths, several blocks in the inner
    /// index and in columns, A in place and copied.
    static let shapes = [
        (1, 16, 1), (15, 16, 16), (16, 32, 17), (17, 48, 31), (31, 64, 32), (32, 80, 33), (33, 16, 64), (37, 112, 48),
        (64, 32, 96), (70, 48, 576), (33, 48, 528), (2, 1056, 544), (3, 32, 1040),
        (34, 544, 1024), (35, 16, 2160),
    ]

    @Test(arguments: Kind.allCases, shapes)
    func agrees(kind: Kind, shape: (m: Int, n: Int, k: Int)) {
        let product = Product(kind, m: shape.m, n: shape.n, k: shape.k)
        for narrowB in [false, true] { product.check(b: product.plain(narrow: narrowB), "narrow B: \(narrowB)") }
    }

    /// Weights that are laid out, whole and from a panel in the middle on.
    @Test(arguments: [Kind.forward, .inputGradient], shapes.filter { $0.2 % 16 == 0 })
    func agreesWithLayout(kind: Kind, shape: (m: Int, n: Int, k: Int)) {
        let product = Product(kind, m: shape.m, n: shape.n, k: shape.k)
        product.check(b: product.laidOut(), "with a layout")
        if shape.n > 32 {
            product.check(b: product.laidOut(), columns: 32..<shape.n, "the columns from 32 on")
            product.check(b: product.laidOut(), columns: 0..<32, "the first 32 columns")
        }
    }
}

/// A product with integer factors, its exact sums, and memory for its results.
private final class Product {
    private let kind: TileProductTests.Kind
    private let (m, n, k): (Int, Int, Int)
    /// A and B as they are stored, and A B.
    private let (a, b): (Matrix, Matrix)
    private var sums: [Float]
    private var layouts: [Matrix] = []

    init(_ kind: TileProductTests.Kind, m: Int, n: Int, k: Int) {
        (self.kind, self.m, self.n, self.k) = (kind, m, n, k)
        let (aT, bT) = (kind.aIsTransposed, kind.bIsTransposed)
        a = Matrix(rows: aT ? k : m, columns: aT ? m : k, seed: 1) { Float($0 % 17 - 8) }
        b = Matrix(rows: bT ? n : k, columns: bT ? k : n, seed: 2) { Float($0 % 16 * 2 - 15) }
        sums = [Float](repeating: 0, count: m * n)
        let (ai, al) = aT ? (1, a.stride) : (a.stride, 1)
        let (bj, bl) = bT ? (b.stride, 1) : (1, b.stride)
        for i in 0..<m {
            for j in 0..<n {
                var sum: Float = 0
                for l in 0..<k { sum += a.floats[i * ai + l * al] * b.floats[j * bj + l * bl] }
                sums[i * n + j] = sum
            }
        }
    }

    /// B as a matrix; in single precision its elements are up to a quarter of the rounding away from the integers.
    func plain(narrow: Bool) -> ck_factor {
        if !narrow { b.disturb() }
        return ck_factor(
            matrix: narrow ? b.narrow : b.single, is_transposed: kind.bIsTransposed ? 1 : 0, layout: nil,
            columns_left: Int64(n))
    }

    /// B as a weight that is laid out.
    func laidOut() -> ck_factor {
        let order = ck_tile_layout()
        let (outputs, inputs) = (b.rows, b.columns)
        let weight = Matrix(rows: outputs, columns: inputs, padding: 0) { row, column in
            self.b.floats[row * self.b.stride + column]
        }
        let forward = Matrix(rows: outputs, columns: Int(ck_layout_depth(order, Int64(inputs))), padding: 0)
        let backward = Matrix(rows: inputs, columns: Int(ck_layout_depth(order, Int64(outputs))), padding: 0)
        for row in stride(from: 0, to: outputs, by: 16) {
            ck_lay_out(
                order, forward.bits, backward.bits, weight.floats, Int64(row), Int64(outputs), Int64(inputs))
        }
        layouts = [forward, backward]
        return ck_factor(
            matrix: ck_matrix(), is_transposed: kind.bIsTransposed ? 1 : 0,
            layout: UnsafePointer(kind == .forward ? forward.bits : backward.bits), columns_left: Int64(n))
    }

    /// Runs the product with all epilogues, into both element types.
    func check(b: ck_factor, columns: Range<Int>? = nil, _ comment: String) {
        let columns = columns ?? 0..<n
        let first = columns.lowerBound
        let addend = Matrix(rows: m, columns: n, seed: 3) { Float($0 % 201 - 100) }
        let row = Matrix(rows: 1, columns: n, seed: 4) { Float($0 % 101 - 50) }
        let scale = Matrix(rows: 1, columns: n, seed: 5) { [0.5, -1, 2, 4][$0 % 4] }
        var b = b
        if let layout = b.layout {
            b.layout = layout + first * Int(ck_layout_depth(ck_tile_layout(), Int64(k)))
            b.columns_left = Int64(n - first)
        }
        for narrowC in [false, true] {
            let floats = emulated_tile_product_scratch(
                narrowC ? 1 : 0, b.layout == nil ? 0 : 1, Int64(columns.count), Int64(k))
            let scratch = Matrix(rows: 1, columns: Int(floats))
            for (hasAddend, hasRow, hasScale) in everyEpilogue {
                // The addend of a single-precision product is C itself: accumulation.
                let c = Matrix(rows: m, columns: n) { i, j in
                    hasAddend && !narrowC ? addend.floats[i * addend.stride + j] : .nan
                }
                let matrix = narrowC ? addend : c
                let epilogue = ck_epilogue(
                    matrix: hasAddend ? UnsafePointer(matrix.floats + first) : nil, stride: Int64(matrix.stride),
                    row: hasRow ? UnsafePointer(row.floats + first) : nil,
                    scale: hasScale ? UnsafePointer(scale.floats + first) : nil)
                var target = narrowC ? c.narrow : c.single
                target.values += first * (narrowC ? 2 : 4)
                emulated_tile_product(
                    target, epilogue,
                    ck_factor(
                        matrix: a.narrow, is_transposed: kind.aIsTransposed ? 1 : 0, layout: nil, columns_left: 0),
                    b, Int64(m), Int64(columns.count), Int64(k), scratch.floats)
                var wrong: [String] = []
                for i in 0..<m {
                    for j in 0..<c.stride {
                        let found = narrowC ? c.value(ofBits: i * c.stride + j) : c.floats[i * c.stride + j]
                        guard columns.contains(j) else {
                            // The rest of the row is untouched.
                            let before = hasAddend && !narrowC && j < n ? addend.floats[i * addend.stride + j] : .nan
                            let isSame = found == before || found.isNaN && before.isNaN
                            if !isSame { wrong.append("[\(i), \(j)] beyond the columns is \(found)") }
                            continue
                        }
                        var expected = sums[i * n + j]
                        if hasRow { expected += row.floats[j] }
                        if hasScale { expected *= scale.floats[j] }
                        if hasAddend { expected += addend.floats[i * addend.stride + j] }
                        if narrowC { expected = rounded(expected) }
                        if found != expected { wrong.append("[\(i), \(j)] is \(found), not \(expected)") }
                    }
                }
                let isInside = (Int(floats)..<scratch.stride).allSatisfy { scratch.floats[$0].isNaN }
                #expect(isInside, "\(comment): the product writes beyond its scratch memory")
                #expect(
                    wrong.isEmpty,
                    """
                    \(kind) \(m) × \(n) × \(k), \(comment), addend \(hasAddend), row \(hasRow), scale \(hasScale), \
                    narrow C \(narrowC): \(wrong.count) wrong elements, \(wrong.first ?? "")
                    """)
            }
        }
        withExtendedLifetime((addend, row, scale, layouts)) {}
    }

    private var everyEpilogue: [(Bool, Bool, Bool)] {
        (0..<8).map { ($0 & 1 != 0, $0 & 2 != 0, $0 & 4 != 0) }
    }
}

/// To bfloat16 and back, to nearest, ties to even.
private func rounded(_ x: Float) -> Float {
    Float(bitPattern: (x.bitPattern &+ 0x7fff &+ ((x.bitPattern >> 16) & 1)) & 0xffff_0000)
}

/// A matrix in both element types, whose rows end with NaN.
private final class Matrix {
    let (rows, columns, stride): (Int, Int, Int)
    let floats: UnsafeMutablePointer<Float>
    let bits: UnsafeMutablePointer<UInt16>

    init(rows: Int, columns: Int, padding: Int = 16, _ value: (Int, Int) -> Float = { _, _ in .nan }) {
        (self.rows, self.columns, stride) = (rows, columns, columns + padding)
        let count = rows * stride
        floats = UnsafeMutableRawPointer.allocate(byteCount: 4 * count, alignment: 64).bindMemory(
            to: Float.self, capacity: count)
        bits = UnsafeMutableRawPointer.allocate(byteCount: 2 * count, alignment: 64).bindMemory(
            to: UInt16.self, capacity: count)
        for i in 0..<rows {
            for j in 0..<stride {
                let value = j < columns ? value(i, j) : .nan
                floats[i * stride + j] = value
                bits[i * stride + j] = UInt16(rounded(value).bitPattern >> 16)
            }
        }
    }

    /// Values of random integers from 0 on.
    convenience init(rows: Int, columns: Int, seed: UInt64, _ value: (Int) -> Float) {
        var state = seed
        self.init(rows: rows, columns: columns) { _, _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return value(Int(state >> 33))
        }
    }

    deinit {
        floats.deallocate()
        bits.deallocate()
    }

    var single: ck_matrix { ck_matrix(values: floats, stride: Int64(stride), is_narrow: 0) }
    var narrow: ck_matrix { ck_matrix(values: bits, stride: Int64(stride), is_narrow: 1) }

    func value(ofBits place: Int) -> Float { Float(bitPattern: UInt32(bits[place]) << 16) }

    /// Moves the single-precision elements, alternately up and down, by less than rounding to bfloat16 removes.
    func disturb() {
        for place in 0..<rows * stride { floats[place] *= place % 2 == 0 ? 1 + 0x1p-10 : 1 - 0x1p-10 }
    }
}

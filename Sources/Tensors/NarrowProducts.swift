import Foundation
internal import CKernels

#if OneDNN
    internal import COneDNN
#endif

/// What multiplies bfloat16 numbers.
///
/// kaon's own kernels, on processors with AVX512-BF16; oneDNN where kaon was built with it and the processor has AMX, whose
/// tiles they do not use. `KAON_BF16_PRODUCTS=own` or `onednn` in the environment takes the other one.
public enum NarrowProducts: String, Sendable {
    case own
    case oneDNN = "onednn"

    /// What this process uses.
    public static let inUse: NarrowProducts = {
        let asked = ProcessInfo.processInfo.environment["KAON_BF16_PRODUCTS"].flatMap(NarrowProducts.init)
        return hasOneDNN ? asked ?? (ck_has_amx() != 0 ? .oneDNN : .own) : .own
    }()

    /// Whether kaon was built with oneDNN.
    public static var hasOneDNN: Bool {
        #if OneDNN
            return true
        #else
            return false
        #endif
    }
}

extension Precision {
    /// For people: the precision, and the library where it is not the usual one.
    public var name: String {
        self == .bfloat16 && NarrowProducts.inUse == .oneDNN ? "bf16 (oneDNN)" : rawValue
    }
}

#if OneDNN
    private nonisolated(unsafe) let engine: dnnl_engine_t = {
        guard let engine = kaon_dnnl_engine() else { preconditionFailure("oneDNN does not know this processor") }
        return engine
    }()

    /// `multiply` of bfloat16 numbers by oneDNN, on the calling thread.
    ///
    /// The number of tokens is another in every batch, and the library writes a program for every shape: so they are cut
    /// into parts of 1024, 512, 256 … rows, of which it soon has all.
    func multiplyByOneDNN(
        m: Int, n: Int, k: Int, _ a: Matrix, _ transposeA: Transpose, _ b: Matrix, _ transposeB: Transpose,
        from start: ProductStart, into c: Matrix
    ) {
        let right = b.isNarrow ? nil : NarrowTensor(rounding: b, shape: transposeB == .yes ? [n, k] : [k, n])
        let b = right.map { Matrix($0) } ?? b
        var adds = false
        if let matrix = start.matrix {
            adds = true
            if matrix.pointer != c.pointer {
                for i in 0..<m { (c.pointer + i * c.stride).update(from: matrix.pointer + i * matrix.stride, count: n) }
            }
        }
        func run(_ a: Matrix, _ b: Matrix, _ c: Matrix, _ bias: UnsafePointer<Float>?, adds: Bool, m: Int, k: Int) {
            let status = kaon_dnnl_multiply(
                engine, c.inOneDNN(.no), a.inOneDNN(transposeA), b.inOneDNN(transposeB), bias, adds ? 1 : 0, Int64(m),
                Int64(n), Int64(k))
            precondition(status == 0, "oneDNN cannot multiply [\(m), \(k)] by [\(k), \(n)]: status \(status)")
        }
        withExtendedLifetime(right) {
            // A transposed A has its tokens in the inner index.
            var first = 0
            let tokens = transposeA == .yes ? k : m
            while first < tokens {
                let part = min(1024, 1 << (Int.bitWidth - 1 - (tokens - first).leadingZeroBitCount))
                if transposeA == .yes {
                    let right = transposeB == .yes ? b.advanced(columns: first) : b.advanced(rows: first)
                    run(
                        a.advanced(rows: first), right, c, first == 0 ? start.row : nil, adds: adds || first > 0, m: m,
                        k: part)
                } else {
                    run(
                        a.advanced(rows: first), b, c.advanced(rows: first), start.row, adds: adds, m: part, k: k)
                }
                first += part
            }
        }
    }

    extension Matrix {
        fileprivate func inOneDNN(_ transpose: Transpose) -> kaon_dnnl_matrix {
            kaon_dnnl_matrix(
                values: address, stride: Int64(stride), is_transposed: transpose == .yes ? 1 : 0,
                is_narrow: isNarrow ? 1 : 0)
        }
    }

    extension NarrowTensor {
        /// The values of a matrix of single precision, in the calling thread.
        fileprivate init(rounding matrix: Matrix, shape: [Int]) {
            self.init(shape: shape)
            ck_narrow(
                pointer, Int64(columns), matrix.pointer, Int64(matrix.stride), Int64(rows), Int64(columns))
        }
    }
#endif

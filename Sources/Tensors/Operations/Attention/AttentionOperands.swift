internal import CKernels
import System

/// Queries, keys and values of all heads, side by side; or their gradients. Keys and values have one stride.
struct AttentionOperands {
    var query: HeadColumns
    var key: HeadColumns
    var value: HeadColumns

    /// One head of one jet.
    func head(_ head: Int, size: Int, _ rows: Range<Int>, _ context: Range<Int>) -> AttentionOperands {
        AttentionOperands(
            query: query.advanced(rows: rows.lowerBound, columns: head * size),
            key: key.advanced(rows: context.lowerBound, columns: head * size),
            value: value.advanced(rows: context.lowerBound, columns: head * size))
    }

    /// The operands in single precision, for n queries and m keys; copies are placed in free memory.
    func widened(_ n: Int, _ m: Int, _ size: Int, _ free: inout UnsafeMutablePointer<Float>) -> AttentionOperands {
        AttentionOperands(
            query: query.copy(n, size, &free, read: true), key: key.copy(m, size, &free, read: true),
            value: value.copy(m, size, &free, read: true))
    }

    func kernelInputs(
        bias: UnsafeMutablePointer<Float>?, isCausal: Bool, dropout: ck_weight_dropout?
    ) -> ck_attention_inputs {
        ck_attention_inputs(
            q: query.pointer, k: key.pointer, v: value.pointer, q_stride: Int64(query.stride),
            kv_stride: Int64(key.stride), bias: bias.map { UnsafePointer($0) }, is_causal: isCausal,
            dropout: dropout ?? ck_weight_dropout())
    }
}

/// Some columns of a matrix, from a given row on; consecutive rows are `stride` elements apart. Valid while the tensor
/// exists.
struct HeadColumns {
    private let address: UnsafeMutableRawPointer
    let stride: Int
    private let elementType: ScalarType

    private init(_ address: UnsafeMutableRawPointer, stride: Int, _ elementType: ScalarType) {
        (self.address, self.stride, self.elementType) = (address, stride, elementType)
    }

    init(_ tensor: Tensor) {
        self.init(tensor.address, stride: tensor.columns, tensor.elementType)
    }

    /// True if the elements are bfloat16.
    var isBFloat16: Bool { elementType == .bfloat16 }

    /// The elements of a single-precision matrix.
    var pointer: UnsafeMutablePointer<Float> {
        invariant(!isBFloat16, "attention in single precision was given bfloat16 elements")
        return address.assumingMemoryBound(to: Float.self)
    }

    func advanced(rows: Int = 0, columns: Int = 0) -> HeadColumns {
        HeadColumns(address + (rows * stride + columns) * elementType.size, stride: stride, elementType)
    }

    /// The elements for kernels that take either type.
    var matrix: ck_matrix {
        ck_matrix(values: address, stride: Int64(stride), is_narrow: isBFloat16 ? 1 : 0)
    }

    /// The same for one head of `size` channels of some rows.
    func head(_ head: Int, size: Int, rows: Range<Int>) -> ck_matrix {
        advanced(rows: rows.lowerBound, columns: head * size).matrix
    }

    /// Starts to read some rows of the first columns into the second-level cache.
    func prefetch(_ rows: Range<Int>, columns: Int) {
        ck_prefetch(advanced(rows: rows.lowerBound).matrix, Int64(rows.count), Int64(columns))
    }

    /// These columns where they are single-precision, otherwise a single-precision matrix in free memory, which holds
    /// their elements if they are to be `read`.
    func copy(
        _ rows: Int, _ columns: Int, _ free: inout UnsafeMutablePointer<Float>, read: Bool
    ) -> HeadColumns {
        guard isBFloat16 else { return self }
        defer { free += rows * columns }
        if read { ck_widen(free, Int64(columns), bits, Int64(stride), Int64(rows), Int64(columns)) }
        return HeadColumns(free, stride: columns, .float32)
    }

    /// Rounds the elements of a copy that was written into these columns.
    func store(_ copy: HeadColumns, _ rows: Int, _ columns: Int) {
        guard isBFloat16 else { return }
        ck_narrow(bits, Int64(stride), copy.pointer, Int64(copy.stride), Int64(rows), Int64(columns))
    }

    private var bits: UnsafeMutablePointer<UInt16> { address.assumingMemoryBound(to: UInt16.self) }
}

internal import CKernels
import System

/// The weight W [outputs, inputs] of a linear map, rounded to bfloat16 in the order in which products read it in place.
///
/// A product without a layout copies the weight. That is as much work as the product itself if there are few tokens,
/// and every rank and every micro-batch would do it again.
package struct WeightLayout {
    /// Rows of W that are laid out together.
    package static let rows = 16

    /// The factor Wᵀ of y = x Wᵀ.
    let forward: Tensor
    /// The factor W of dx = dy W.
    let backward: Tensor

    /// Number of bfloat16 elements of both factors; nil for a weight whose products are in single precision.
    package static func elements(outputs: Int, inputs: Int) -> Int? {
        guard outputs % 16 == 0, inputs % 16 == 0 else { return nil }
        return outputs * depth(inputs) + inputs * depth(outputs)
    }

    /// - Parameter memory: bfloat16, of `elements(outputs:inputs:)` elements, in units of 64 bytes.
    package init(outputs: Int, inputs: Int, in memory: Tensor) {
        let size = outputs * Self.depth(inputs)
        invariant(
            memory.count == Self.elements(outputs: outputs, inputs: inputs)
                && UInt(bitPattern: memory.address) % 64 == 0,
            "memory of \(memory.count) elements for the layout of a weight of \(outputs) × \(inputs)")
        forward = memory.slice(0..<size, shape: [size])
        backward = memory.slice(size..<memory.count, shape: [memory.count - size])
    }

    /// Lays out rows of the weight, in units of 16.
    package func update(from weight: Tensor, rows: Range<Int>) {
        for row in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rows) {
            ck_lay_out(
                Self.order, forward.bfloat16Pointer, backward.bfloat16Pointer, weight.pointer, Int64(row),
                Int64(weight.rows), Int64(weight.columns))
        }
    }

    /// The order that the instructions in use read.
    private static var order: ck_layout {
        switch BFloat16Instructions.inUse {
        case .vectors: ck_narrow_layout()
        case .tiles: ck_tile_layout()
        }
    }

    private static func depth(_ k: Int) -> Int { Int(ck_layout_depth(order, Int64(k))) }

    /// The first column of every panel of a factor with this number of columns, and the end of the last one.
    static func panelEdges(columns: Int) -> [Int] {
        var edges = [0]
        while edges.last! < columns {
            edges.append(edges.last! + 16 * Int(ck_panel_vectors(order, Int64(columns - edges.last!))))
        }
        return edges
    }

    /// The elements of a factor [k, columns] from the panel of a column on.
    static func panel(of factor: Tensor, column: Int, k: Int) -> UnsafePointer<UInt16> {
        UnsafePointer(factor.bfloat16Pointer + column * depth(k))
    }
}

internal import CKernels
import System

/// The weight W [outputs, inputs] of a linear map in the order in which products read it in place, in their precision.
///
/// A product without a layout copies the weight. That is as much work as the product itself if there are few tokens,
/// and every rank, thread and micro-batch would do it again.
package struct WeightLayout {
    /// Rows of W that are laid out together.
    package static let rows = 16

    /// The factor Wᵀ of y = x Wᵀ.
    let forward: Tensor
    /// The factor W of dx = dy W.
    let backward: Tensor

    var elementType: ScalarType { forward.elementType }

    /// Number of elements of both factors; nil where products copy the weight.
    package static func elements(outputs: Int, inputs: Int, of type: ScalarType) -> Int? {
        guard outputs % 16 == 0, inputs % 16 == 0 else { return nil }
        guard ProductKernel(factors: type, columns: 16) != .openBLAS else { return nil }
        return outputs * depth(inputs, type) + inputs * depth(outputs, type)
    }

    /// - Parameter memory: of `elements(outputs:inputs:of:)` elements, in units of 64 bytes.
    package init(outputs: Int, inputs: Int, in memory: Tensor) {
        let type = memory.elementType
        let size = outputs * Self.depth(inputs, type)
        invariant(
            memory.count == Self.elements(outputs: outputs, inputs: inputs, of: type)
                && UInt(bitPattern: memory.address) % 64 == 0,
            "memory of \(memory.count) elements for the layout of a weight of \(outputs) × \(inputs)")
        forward = memory.slice(0..<size, shape: [size])
        backward = memory.slice(size..<memory.count, shape: [memory.count - size])
    }

    /// Lays out rows of the weight, in units of 16.
    package func update(from weight: Tensor, rows: Range<Int>) {
        for row in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rows) {
            ck_lay_out(
                Self.order(elementType), forward.address, backward.address, weight.pointer, Int64(row),
                Int64(weight.rows), Int64(weight.columns))
        }
    }

    /// The order that the kernel of this element type reads.
    private static func order(_ type: ScalarType) -> ck_layout {
        guard type == .bfloat16 else { return ck_product_layout() }
        return switch BFloat16Instructions.inUse {
        case .vectors: ck_narrow_layout()
        case .tiles: ck_tile_layout()
        }
    }

    private static func depth(_ k: Int, _ type: ScalarType) -> Int { Int(ck_layout_depth(order(type), Int64(k))) }

    /// The first column of every panel of a factor with this number of columns, and the end of the last one.
    static func panelEdges(columns: Int, of type: ScalarType) -> [Int] {
        var edges = [0]
        while edges.last! < columns {
            edges.append(edges.last! + 16 * Int(ck_panel_vectors(order(type), Int64(columns - edges.last!))))
        }
        return edges
    }

    /// The elements of a factor [k, columns] from the panel of a column on.
    static func panel(of factor: Tensor, column: Int, k: Int) -> UnsafeRawPointer {
        let type = factor.elementType
        return UnsafeRawPointer(factor.address + column * depth(k, type) * type.size)
    }
}

extension Variable {
    /// The layout for factors of an element type, if the weight has it.
    func layout(of type: ScalarType) -> WeightLayout? { layout?.elementType == type ? layout : nil }
}

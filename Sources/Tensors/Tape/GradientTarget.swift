/// The tensor that receives an operation's share of a gradient.
struct GradientTarget {
    /// Single-precision, or bfloat16 where the operation accepts that and `accumulate` is false.
    var tensor: Tensor
    /// True if the tensor holds the shares of other operations: the share is added. Otherwise it overwrites.
    var accumulate: Bool

    var pointer: UnsafeMutablePointer<Float> { tensor.pointer }

    /// The same tensor, zeroed unless it holds other shares: for operations that can only add.
    func zeroedIfNew() -> Tensor {
        if !accumulate { tensor.pointer.update(repeating: 0, count: tensor.count) }
        return tensor
    }
}

//   y = x      dx = dy
extension Tape {
    /// A view of x under another shape: the values are not copied.
    package func reshape(_ x: Variable, to shape: [Int]) -> Variable {
        record("reshape", x.value.reshaped(shape), from: [x]) { dy in x.add(gradient: dy.reshaped(x.shape)) }
    }
}

// y = x and dx = dy, under other shapes
extension Tape {
    /// The same values, in the same memory, under another shape.
    package func reshape(_ x: Variable, to shape: [Int]) -> Variable {
        record("reshape", x.value.reshaped(shape), from: [x]) { dy in x.add(gradient: dy.reshaped(x.shape)) }
    }
}

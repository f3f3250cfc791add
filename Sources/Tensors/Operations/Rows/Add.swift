// a, b, y of one shape [T, C]
//
//   y = a + b      da = dy      db = dy
extension Tape {
    /// The sum of two matrices of the same shape.
    package func add(_ a: Variable, _ b: Variable) -> Variable {
        residual(a, b)
    }
}

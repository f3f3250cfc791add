import System

/// A tensor in a computation, with a place for the gradient of the loss with respect to it.
package final class Variable {
    /// The values, of either precision.
    let values: Values
    /// Whether the backward pass has to reach this variable.
    package let requiresGradient: Bool

    private var gradientTensor: Tensor?
    /// The gradient of bfloat16 values, which has their precision.
    private var narrowGradient: NarrowTensor?
    /// A parameter's gradient lives in a given place, where it is summed over micro-batches.
    private let fixedGradient: Tensor?
    var isParameter: Bool { fixedGradient != nil }
    private var holdsGradient = false

    /// A value that no gradient is asked of: data, a target, a frozen parameter.
    package convenience init(constant value: Tensor) {
        self.init(values: .single(value), requiresGradient: false)
    }

    /// A leaf whose gradient is kept: an input under test.
    package convenience init(leaf value: Tensor) {
        self.init(values: .single(value), requiresGradient: true)
    }

    /// A parameter, whose gradient is summed in `gradient`, a tensor of the same shape.
    package convenience init(parameter value: Tensor, gradient: Tensor) {
        invariant(value.shape == gradient.shape, "a gradient has the shape of its parameter")
        self.init(values: .single(value), requiresGradient: true, fixedGradient: gradient)
    }

    init(values: Values, requiresGradient: Bool, fixedGradient: Tensor? = nil) {
        self.values = values
        self.requiresGradient = requiresGradient
        self.fixedGradient = fixedGradient
    }

    /// The values; traps where they are bfloat16 numbers, which few operations read.
    package var value: Tensor { values.single }
    /// The lengths of the dimensions.
    package var shape: [Int] { values.shape }

    /// The gradient so far; nil when nothing has been added.
    package var gradient: Tensor? {
        if let fixedGradient { return holdsGradient ? fixedGradient : nil }
        return gradientTensor
    }

    /// Forgets the gradient; its memory need not be zeroed, because the first share overwrites it.
    package func resetGradient() {
        gradientTensor = nil
        narrowGradient = nil
        holdsGradient = false
    }

    /// Adds a share of the gradient; the tensor may become this variable's own.
    package func add(gradient share: Tensor) {
        guard requiresGradient else { return }
        invariant(share.shape == shape, "a gradient of shape \(share.shape) for a value of \(shape)")
        let target = gradientTarget(orAdopt: share)
        guard let target else { return }
        if target.accumulate {
            target.tensor.add(share)
        } else {
            target.tensor.pointer.update(from: share.pointer, count: share.count)
        }
    }

    /// Where an operation writes its share: it adds to what is there when `accumulate` is set and overwrites otherwise.
    func gradientTarget() -> GradientTarget {
        gradientTarget(orAdopt: nil)!
    }

    private func gradientTarget(orAdopt share: Tensor?) -> GradientTarget? {
        if let fixedGradient {
            defer { holdsGradient = true }
            return GradientTarget(tensor: fixedGradient, accumulate: holdsGradient)
        }
        if gradientTensor != nil {
            // A share may have been adopted from a neighbour that still reads it.
            if !gradientTensor!.isUnique() { gradientTensor = gradientTensor!.copy() }
            return GradientTarget(tensor: gradientTensor!, accumulate: true)
        }
        gradientTensor = share ?? Tensor(shape: value.shape)
        return share == nil ? GradientTarget(tensor: gradientTensor!, accumulate: false) : nil
    }

    /// Where the one operation that reads bfloat16 values writes their gradient.
    func narrowGradientTarget() -> NarrowTensor {
        invariant(narrowGradient == nil, "bfloat16 values feed one operation alone")
        let target = NarrowTensor(shape: shape)
        narrowGradient = target
        return target
    }

    /// Where the one operation that reads this variable writes its gradient, in the precision of the values.
    func soleGradientTarget() -> Values {
        if values.isNarrow { return .narrow(narrowGradientTarget()) }
        let target = gradientTarget()
        invariant(!target.accumulate, "queries, keys and values feed attention alone")
        return .single(target.tensor)
    }

    /// The gradient so far, of either precision.
    var gradientValues: Values? { narrowGradient.map { .narrow($0) } ?? gradient.map { .single($0) } }

    func takeGradient() -> Values? {
        defer { (gradientTensor, narrowGradient) = (nil, nil) }
        return narrowGradient.map { .narrow($0) } ?? gradientTensor.map { .single($0) }
    }
}

/// The tensor that receives a gradient, and whether it holds a part of it already.
struct GradientTarget {
    var tensor: Tensor
    var accumulate: Bool

    var pointer: UnsafeMutablePointer<Float> { tensor.pointer }
    /// What a product that writes here is added to.
    var start: ProductStart { accumulate ? ProductStart(matrix: Matrix(tensor)) : .zero }

    /// For sums that can only add.
    func zeroedIfNew() -> Tensor {
        if !accumulate { tensor.pointer.update(repeating: 0, count: tensor.count) }
        return tensor
    }
}

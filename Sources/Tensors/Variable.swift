/// A tensor in a computation, with a place for the gradient of the loss with respect to it.
public final class Variable {
    /// The values.
    public let value: Tensor
    /// Whether the backward pass has to reach this variable.
    public let requiresGradient: Bool

    private var gradientTensor: Tensor?
    /// A parameter's gradient lives in a given place, where it is summed over micro-batches.
    private let fixedGradient: Tensor?
    var isParameter: Bool { fixedGradient != nil }
    private var holdsGradient = false

    /// A value that no gradient is asked of: data, a target, a frozen parameter.
    public convenience init(constant value: Tensor) {
        self.init(value: value, requiresGradient: false, fixedGradient: nil)
    }

    /// A leaf whose gradient is kept: an input under test.
    public convenience init(leaf value: Tensor) {
        self.init(value: value, requiresGradient: true, fixedGradient: nil)
    }

    /// A parameter, whose gradient is summed in `gradient`, a tensor of the same shape.
    public convenience init(parameter value: Tensor, gradient: Tensor) {
        precondition(value.shape == gradient.shape, "a gradient has the shape of its parameter")
        self.init(value: value, requiresGradient: true, fixedGradient: gradient)
    }

    init(value: Tensor, requiresGradient: Bool, fixedGradient: Tensor? = nil) {
        self.value = value
        self.requiresGradient = requiresGradient
        self.fixedGradient = fixedGradient
    }

    /// The lengths of the dimensions.
    public var shape: [Int] { value.shape }

    /// The gradient so far; nil when nothing has been added.
    public var gradient: Tensor? {
        if let fixedGradient { return holdsGradient ? fixedGradient : nil }
        return gradientTensor
    }

    /// Forgets the gradient; its memory need not be zeroed, because the first share overwrites it.
    public func resetGradient() {
        gradientTensor = nil
        holdsGradient = false
    }

    /// Adds a share of the gradient; the tensor may become this variable's own.
    public func add(gradient share: Tensor) {
        guard requiresGradient else { return }
        precondition(share.shape == value.shape, "a gradient of shape \(share.shape) for a value of \(value.shape)")
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

    func takeGradient() -> Tensor? {
        defer { gradientTensor = nil }
        return gradientTensor
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

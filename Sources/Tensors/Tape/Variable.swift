import System

/// A tensor in a computation, and the gradient of the loss with respect to it.
///
/// The gradient that the tape passes to an operation has the element type of the value. A bfloat16 value may be read by
/// several operations: the first share of its gradient may be bfloat16, a sum of shares is kept in single precision and
/// rounded once, when it is complete.
package final class Variable {
    /// The elements, of either type.
    package private(set) var value: Tensor
    /// True if the backward pass has to reach this variable.
    package let requiresGradient: Bool

    private var accumulated: Tensor?
    /// The place of a parameter's gradient, in which it is summed over micro-batches.
    private var fixedGradient: Tensor?
    private var fixedGradientIsSet = false
    var isParameter: Bool { fixedGradient != nil }

    /// A weight's elements in the order in which bfloat16 products read them in place; nil for products that copy it.
    /// Whoever sets it removes it before the value changes.
    package var layout: WeightLayout?

    /// A value without a gradient: data, a target, a frozen parameter.
    package convenience init(constant value: Tensor) {
        self.init(value, requiresGradient: false)
    }

    /// A leaf whose gradient is kept: an input under test.
    package convenience init(leaf value: Tensor) {
        self.init(value, requiresGradient: true)
    }

    /// A parameter, whose gradient is summed in `gradient`, a tensor of the same shape.
    package convenience init(parameter value: Tensor, gradient: Tensor) {
        invariant(
            value.shape == gradient.shape, "a gradient of shape \(gradient.shape) for a parameter of \(value.shape)")
        self.init(value, requiresGradient: true, fixedGradient: gradient)
    }

    /// Replaces the places of a parameter's value and gradient; `value` has the same elements.
    package func move(value: Tensor, gradient: Tensor) {
        invariant(isParameter && value.shape == shape && gradient.shape == shape, "a parameter of shape \(shape) moves")
        (self.value, fixedGradient) = (value, gradient)
    }

    init(_ value: Tensor, requiresGradient: Bool, fixedGradient: Tensor? = nil) {
        self.value = value
        self.requiresGradient = requiresGradient
        self.fixedGradient = fixedGradient
    }

    /// The length of every dimension.
    package var shape: [Int] { value.shape }

    /// The gradient accumulated so far; nil before the first share.
    package var gradient: Tensor? {
        if let fixedGradient { return fixedGradientIsSet ? fixedGradient : nil }
        return accumulated
    }

    /// Discards the gradient. Its memory need not be zeroed: the next share overwrites it.
    package func resetGradient() {
        accumulated = nil
        fixedGradientIsSet = false
    }

    /// Adds a share of the gradient; the variable may keep the tensor itself.
    package func add(gradient share: Tensor) {
        guard requiresGradient else { return }
        invariant(share.shape == shape, "a gradient of shape \(share.shape) for a value of \(shape)")
        if let fixedGradient, !fixedGradientIsSet {
            fixedGradientIsSet = true
            fixedGradient.pointer.update(from: share.pointer, count: share.count)
        } else if fixedGradient == nil, accumulated == nil {
            accumulated = share
        } else {
            gradientTarget().tensor.add(share)
        }
    }

    /// The place in which an operation writes or adds its share of the gradient.
    ///
    /// - Parameter firstShare: the element type in which the operation writes a first share. bfloat16 applies to
    ///   bfloat16 values alone.
    func gradientTarget(firstShare: ScalarType = .float32) -> GradientTarget {
        if let fixedGradient {
            defer { fixedGradientIsSet = true }
            return GradientTarget(tensor: fixedGradient, accumulate: fixedGradientIsSet)
        }
        guard var sum = accumulated else {
            let type = value.elementType == .bfloat16 ? firstShare : .float32
            let target = Tensor(shape: shape, elementType: type)
            accumulated = target
            return GradientTarget(tensor: target, accumulate: false)
        }
        accumulated = nil
        if sum.elementType == .bfloat16 {
            sum = sum.converted(to: .float32)
        } else if !sum.isUnique() {
            // `add(gradient:)` kept the tensor of another operation, which may still read it.
            sum = sum.copy()
        }
        accumulated = sum
        return GradientTarget(tensor: sum, accumulate: true)
    }

    /// Adds the share that `body` writes into a tensor of the value's shape and element type: for operations that can
    /// only overwrite.
    func addGradient(writtenBy body: (Tensor) -> Void) {
        let target = requiresGradient ? gradientTarget(firstShare: value.elementType) : nil
        if let target, !target.accumulate { return body(target.tensor) }
        let share = Tensor(shape: shape, elementType: value.elementType)
        body(share)
        target?.tensor.add(share)
    }

    /// Removes the gradient and returns it in the element type of the value.
    func takeGradient() -> Tensor? {
        defer { accumulated = nil }
        return accumulated?.converted(to: value.elementType)
    }
}

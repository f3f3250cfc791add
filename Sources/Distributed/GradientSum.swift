import NN
import Tensors

/// Sum of the gradients of one step over all shards and ranks, in place in the flat gradient buffer of the model, at
/// least for the elements that the rank owns.
///
/// A step runs its shards one after the other; usually a rank has a single shard:
///
///     for each shard:
///         reset the gradients, run all micro-batches but the last
///         sum.begin(frozenGroups: frozen)
///         run the last micro-batch, with sum.gradientIsComplete(_:) as each gradient becomes final
///         sum.endShard(isLast: …)
///     try sum.finish()
package protocol GradientSum: AnyObject {
    /// Announces the last backward pass of a shard, or that the shard has no micro-batches: gradients reported from now
    /// on are final.
    ///
    /// - Parameter frozenGroups: indices of the parameter groups that are not trained in this step, whose gradients
    ///   need not be summed.
    func begin(frozenGroups: Set<Int>)

    /// Notes that the gradient of a parameter is final for this shard.
    func gradientIsComplete(_ variable: Variable)

    /// Notes that the buffer holds the gradients of a whole shard. Unless it is the last of this rank, the buffer is
    /// overwritten next.
    func endShard(isLast: Bool)

    /// Completes the sum; collective, also for ranks without jets. Throws `MPIError`.
    func finish() throws

    /// Sum of the squares of all elements of the summed gradient, equal on all ranks; collective. When it returns, no
    /// rank computes with the values of the parameters any more. Throws `MPIError`.
    func sumOfSquares() throws -> Double
}

/// Settings that select a `GradientSum`.
package struct GradientSumOptions: Sendable {
    /// True to start sums while the backward pass is still running.
    package var overlaps: Bool
    /// Number format in which gradients are sent to other groups of ranks.
    package var precision: Precision
    /// True to add the gradients of shards in a fixed order.
    package var isDeterministic: Bool

    package init(overlaps: Bool = true, precision: Precision = .single, isDeterministic: Bool = false) {
        self.overlaps = overlaps
        self.precision = precision
        self.isDeterministic = isDeterministic
    }
}

/// Creates the sum that the options select.
///
/// - Parameter observer: notified of the messages of a sum that has several.
package func makeGradientSum(
    of parameters: DistributedParameters, _ options: GradientSumOptions, observer: (any SumObserver)? = nil
) -> any GradientSum {
    if options.isDeterministic { return FixedTreeSum(parameters.store, on: parameters.ranks.all) }
    let sum = GroupedSum(parameters, overlaps: options.overlaps, precision: options.precision)
    sum.observer = observer
    return sum
}

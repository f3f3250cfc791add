/// Finds the first operation of a tape that produces a non-finite value, in the forward or the backward pass.
///
/// It reads every output and every gradient once more: a tool for finding a fault, too slow for training.
package final class AnomalyDetector {
    /// The first anomaly, as a phrase: `the forward pass of linear (encoder.input.weight) gave …`.
    package private(set) var finding: String?
    private let name: (Variable) -> String?
    /// The last operation with named inputs; it locates operations without any.
    private var neighbour = "the inputs of the model"

    /// - Parameter name: the name of a parameter; nil for other variables.
    package init(name: @escaping (Variable) -> String?) {
        self.name = name
    }

    /// Records an anomaly that was found elsewhere, unless there is an earlier one.
    package func note(_ text: @autoclosure () -> String) {
        finding = finding ?? text()
    }

    /// Checks the output of an operation; returns the name of the operation with those of its parameters.
    func checkForward(_ operation: String, _ output: Tensor, from inputs: [Variable]) -> String {
        let names = inputs.compactMap(name)
        let full = operation + " (" + (names.isEmpty ? "after \(neighbour)" : names.joined(separator: ", ")) + ")"
        if !names.isEmpty { neighbour = "\(operation) of \(names[0])" }
        if finding == nil, !output.isFinite {
            let broken = inputs.first { !$0.value.isFinite }
            let cause = broken.map { ", because " + (name($0) ?? "its input") + " is not finite already" } ?? ""
            note("the forward pass of \(full) gave a value that is not finite\(cause)")
        }
        return full
    }

    /// Checks the gradient of the output of an operation.
    func checkIncoming(_ operation: String, _ gradient: Tensor) {
        guard finding == nil, !gradient.isFinite else { return }
        note("the loss gave a gradient that is not finite to the output of \(operation)")
    }

    /// Checks the gradients of the inputs after the backward pass of an operation.
    func checkBackward(_ operation: String, to inputs: [Variable]) {
        guard finding == nil else { return }
        for input in inputs {
            guard let gradient = input.gradient, !gradient.isFinite else { continue }
            note(
                "the backward pass of \(operation) gave a gradient that is not finite to "
                    + (name(input) ?? "its input"))
        }
    }
}

extension Tensor {
    /// True if no element is infinite or not a number.
    package var isFinite: Bool { converted(to: .float32).sumOfSquares.isFinite }
}

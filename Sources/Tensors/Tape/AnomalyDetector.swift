/// Finds the first operation of a tape that makes a value that is not finite, in the forward or the backward pass.
///
/// It reads every output and every gradient once more: for finding a fault, not for training.
package final class AnomalyDetector {
    /// What was found first, as a phrase: `the forward pass of linear (encoder.input.weight) gave …`.
    package private(set) var finding: String?
    private let name: (Variable) -> String?
    /// The last operation on named variables, for those that have none.
    private var neighbour = "the inputs of the model"

    /// - Parameter name: what a parameter is called; nil for other variables.
    package init(name: @escaping (Variable) -> String?) {
        self.name = name
    }

    /// Notes something that was found elsewhere, unless there is a finding already.
    package func note(_ text: @autoclosure () -> String) {
        finding = finding ?? text()
    }

    /// Looks at the output of an operation; returns how to call the operation from now on.
    func checkForward(_ operation: String, _ output: Values, from inputs: [Variable]) -> String {
        let names = inputs.compactMap(name)
        let full = operation + " (" + (names.isEmpty ? "after \(neighbour)" : names.joined(separator: ", ")) + ")"
        if !names.isEmpty { neighbour = "\(operation) of \(names[0])" }
        if finding == nil, !output.isFinite {
            let broken = inputs.first { !$0.values.isFinite }
            let cause = broken.map { ", because " + (name($0) ?? "its input") + " is not finite already" } ?? ""
            note("the forward pass of \(full) gave a value that is not finite\(cause)")
        }
        return full
    }

    /// Looks at the gradient that an operation is handed.
    func checkIncoming(_ operation: String, _ gradient: Values) {
        guard finding == nil, !gradient.isFinite else { return }
        note("the loss gave a gradient that is not finite to the output of \(operation)")
    }

    /// Looks at what the gradient of an operation gave to its inputs.
    func checkBackward(_ operation: String, to inputs: [Variable]) {
        guard finding == nil else { return }
        for input in inputs {
            guard let gradient = input.gradientValues, !gradient.isFinite else { continue }
            note(
                "the backward pass of \(operation) gave a gradient that is not finite to "
                    + (name(input) ?? "its input"))
        }
    }
}

extension Tensor {
    /// Whether no element is infinite or not a number.
    package var isFinite: Bool { sumOfSquares.isFinite }
}

extension Values {
    fileprivate var isFinite: Bool {
        switch self {
        case .single(let tensor): tensor.isFinite
        case .narrow(let tensor): tensor.widened().isFinite
        }
    }
}

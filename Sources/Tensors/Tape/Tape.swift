import System

/// Records the operations of a forward pass and runs their gradients in reverse.
///
/// Operations are methods of the tape, each in a file of its own with formula, forward and gradient. The backward pass
/// releases every operation as it proceeds, and with it the activations that only its gradient needed.
///
///     let tape = Tape()
///     let y = tape.linear(x, weight: w, bias: b)
///     let loss = tape.mseLoss(y, target: t, scale: 1 / Float(t.count))
///     tape.backward()
package final class Tape {
    private struct Record {
        let name: String
        let output: Variable
        let parameters: [Variable]
        /// Kept for the anomaly detector alone.
        let inputs: [Variable]
        let backward: (Tensor) -> Void
    }

    private var records: [Record] = []
    /// The number of recorded operations that have yet to add to the gradient of a parameter.
    private var pendingUses: [ObjectIdentifier: Int] = [:]
    private let recording: Bool
    private let profile: OperationProfile?
    private let anomalies: AnomalyDetector?
    private var operationsAtLap = 0.0

    /// Floating-point operations of the matrix products so far, forward and backward, counted from their shapes.
    package private(set) var operations: Double = 0

    /// The format of the factors of products.
    package private(set) var precision: Precision

    /// Called during the backward pass when this tape has added its last share to the gradient of a parameter.
    package var onGradientComplete: ((Variable) -> Void)?

    /// - Parameters:
    ///   - recording: false for evaluation: nothing is kept for a backward pass.
    ///   - profile: receives the time of every operation.
    ///   - anomalies: checks every value and gradient for non-finite numbers.
    ///   - precision: the format of the factors of products; bfloat16 needs a processor that multiplies it.
    package init(
        recording: Bool = true, profile: OperationProfile? = nil, anomalies: AnomalyDetector? = nil,
        precision: Precision = .single
    ) {
        invariant(precision == .single || Precision.hasBFloat16, "this processor has no bfloat16 products")
        self.precision = precision
        self.recording = recording
        self.anomalies = anomalies
        self.profile = profile
    }

    /// Runs `body` on a tape that does not record, with the same precision, profile and anomaly detector. Its products
    /// count as products of this tape.
    package func evaluating<Result>(_ body: (Tape) throws -> Result) rethrows -> Result {
        let tape = Tape(recording: false, profile: profile, anomalies: anomalies, precision: precision)
        defer {
            count(operationsOf: tape)
            // The profile has them already.
            operationsAtLap += tape.operations
        }
        return try body(tape)
    }

    /// Runs `body` with products in single precision, whatever the precision of the tape.
    package func inSinglePrecision<Result>(_ body: () throws -> Result) rethrows -> Result {
        let usual = precision
        defer { precision = usual }
        precision = .single
        return try body()
    }

    /// Records an operation and returns its output. `backward` receives the gradient of the output, in the output's
    /// element type, and adds the resulting shares to the gradients of `inputs`.
    func record(
        _ name: String, _ value: Tensor, from inputs: [Variable], backward: @escaping (Tensor) -> Void
    ) -> Variable {
        lap(name)
        let name = anomalies?.checkForward(name, value, from: inputs) ?? name
        guard recording, inputs.contains(where: \.requiresGradient) else { return Variable(constant: value) }
        let output = Variable(value, requiresGradient: true)
        let parameters = inputs.filter { $0.requiresGradient && $0.isParameter }
        for parameter in parameters { pendingUses[ObjectIdentifier(parameter), default: 0] += 1 }
        records.append(
            Record(
                name: name, output: output, parameters: parameters, inputs: anomalies == nil ? [] : inputs,
                backward: backward))
        return output
    }

    /// True if an operation on these inputs has a gradient and must keep the values that the gradient needs.
    func differentiates(_ inputs: Variable...) -> Bool {
        recording && inputs.contains { $0.requiresGradient }
    }

    /// Adds the time since the last operation to an entry of the profile: an operation, or other work of a model.
    package func lap(_ name: @autoclosure () -> String) {
        guard let profile else { return }
        profile.lap(name(), operations: operations - operationsAtLap)
        operationsAtLap = operations
    }

    /// Counts a product of 2 m n k operations.
    func count(m: Int, n: Int, k: Int) {
        operations += 2 * Double(m) * Double(n) * Double(k)
    }

    /// Counts the products of another tape, `without` some of them.
    func count(operationsOf tape: Tape, without operations: Double = 0) {
        self.operations += tape.operations - operations
    }

    /// Runs the gradients of all recorded operations, latest first, from the gradients that their outputs hold.
    package func backward() {
        while let record = records.popLast() {
            if let gradient = record.output.takeGradient() {
                anomalies?.checkIncoming(record.name, gradient)
                record.backward(gradient)
                anomalies?.checkBackward(record.name, to: record.inputs)
            }
            lap(record.name + " gradient")
            for parameter in record.parameters {
                pendingUses[ObjectIdentifier(parameter)]! -= 1
                if pendingUses[ObjectIdentifier(parameter)] == 0, parameter.gradient != nil {
                    onGradientComplete?(parameter)
                }
            }
        }
    }

    /// Adds `seed` to the gradient of `output` and runs the backward pass.
    package func backward(from output: Variable, seed: Tensor) {
        output.add(gradient: seed)
        backward()
    }
}

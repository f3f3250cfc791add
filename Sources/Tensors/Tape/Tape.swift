import System

/// Records the operations of a forward pass and runs their gradients in reverse.
///
/// Operations are methods of the tape, each in a file of its own with formula, forward and gradient. The backward pass
/// drops every operation as it goes, and with it the activations that only its gradient needed.
package final class Tape {
    private struct Record {
        let name: String
        let output: Variable
        let parameters: [Variable]
        /// Only where anomalies are looked for.
        let inputs: [Variable]
        let backward: (Values) -> Void
    }

    private var records: [Record] = []
    /// The recorded operations that have still to add to the gradient of a parameter.
    private var pendingUses: [ObjectIdentifier: Int] = [:]
    private let recording: Bool
    private let profile: OperationProfile?
    private let anomalies: AnomalyDetector?
    private var operationsAtLap = 0.0

    /// Floating-point operations of the matrix products so far, forward and backward, counted from their shapes.
    package private(set) var operations: Double = 0

    /// What products multiply.
    package private(set) var precision: Precision

    /// Called during the backward pass when the gradient of a parameter is complete, as far as this tape goes.
    package var onGradientComplete: ((Variable) -> Void)?

    /// - Parameters:
    ///   - recording: false for evaluation: nothing is kept for a backward pass.
    ///   - profile: where to note the time of every operation.
    ///   - anomalies: what looks at every value, where values that are not finite have to be found.
    ///   - precision: what products multiply; only where the processor can.
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

    /// A tape for a part that is not differentiated.
    package var evaluating: Tape {
        Tape(recording: false, profile: profile, anomalies: anomalies, precision: precision)
    }

    /// Records operations whose products are of single precision, whatever those of the others are.
    package func inSinglePrecision<Result>(_ body: () throws -> Result) rethrows -> Result {
        let usual = precision
        defer { precision = usual }
        precision = .single
        return try body()
    }

    /// Makes the output of an operation, whose `backward` adds to the gradients of `inputs` what follows from the
    /// gradient of the output.
    func record(
        _ name: String, _ value: Tensor, from inputs: [Variable], backward: @escaping (Tensor) -> Void
    ) -> Variable {
        record(name, .single(value), from: inputs) { backward($0.single) }
    }

    /// The same for an output of either precision; its gradient has the precision of the output.
    func record(
        _ name: String, _ values: Values, from inputs: [Variable], backward: @escaping (Values) -> Void
    ) -> Variable {
        lap(name)
        let name = anomalies?.checkForward(name, values, from: inputs) ?? name
        guard recording, inputs.contains(where: \.requiresGradient) else {
            return Variable(values: values, requiresGradient: false)
        }
        let output = Variable(values: values, requiresGradient: true)
        let parameters = inputs.filter { $0.requiresGradient && $0.isParameter }
        for parameter in parameters { pendingUses[ObjectIdentifier(parameter), default: 0] += 1 }
        records.append(
            Record(
                name: name, output: output, parameters: parameters, inputs: anomalies == nil ? [] : inputs,
                backward: backward))
        return output
    }

    /// Whether an operation on these inputs will be differentiated, and has to keep what its gradient needs.
    func differentiates(_ inputs: Variable...) -> Bool {
        recording && inputs.contains { $0.requiresGradient }
    }

    /// Notes the time of an operation, or of other work of a model, that ends here.
    package func lap(_ name: @autoclosure () -> String) {
        guard let profile else { return }
        profile.lap(name(), operations: operations - operationsAtLap)
        operationsAtLap = operations
    }

    /// Counts a product of 2 m n k operations.
    func count(m: Int, n: Int, k: Int) {
        operations += 2 * Double(m) * Double(n) * Double(k)
    }

    /// Runs the gradients of all recorded operations, latest first, starting from what was added to their outputs.
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

import Tensors
import Testing

/// An operation, its inputs, and the same function in plain double precision.
///
/// Outputs are compared with the reference, every gradient element by element with finite differences of the reference
/// (whose rounding is negligible), and all gradients together with a directional difference of the operation itself.
struct OperationCheck {
    var inputs: [Tensor]
    var operation: (Tape, [Variable]) -> Variable
    var reference: ([[Double]]) -> [Double]
    /// The tolerance of outputs and gradients, relative to the largest magnitude or to one, whichever is larger.
    var tolerance = 1e-5
    /// The number of elements of every gradient to compare.
    var elements = 64

    func run(location: SourceLocation = #_sourceLocation) {
        let variables = inputs.map { Variable(leaf: $0.copy()) }
        let tape = Tape()
        let y = operation(tape, variables)
        let seed = randomTensor(y.shape, seed: 17)
        expectClose(
            y.value.doubles, reference(inputs.map(\.doubles)), tolerance, "the output", location: location)
        tape.backward(from: y, seed: seed.copy())
        let gradients = variables.compactMap(\.gradient)
        guard gradients.count == inputs.count else {
            Issue.record("\(inputs.count - gradients.count) gradients are missing", sourceLocation: location)
            return
        }
        for (input, gradient) in gradients.enumerated() {
            let places = sampledPlaces(gradient.count, at: elements)
            let expected = places.map { difference(ofReferenceAt: input, $0, seed.doubles) }
            expectClose(
                places.map { Double(gradient.buffer[$0]) }, expected, tolerance, "gradient \(input)",
                location: location)
        }
        expectDirectionalDerivative(
            { dot(operation(Tape(recording: false), $0.map { Variable(constant: $0) }).value, seed) },
            at: inputs, gradients: gradients, location: location)
    }

    /// ∂(seed · y)/∂x at one element of one input.
    private func difference(ofReferenceAt input: Int, _ element: Int, _ seed: [Double]) -> Double {
        let epsilon = 1e-4
        var values = inputs.map(\.doubles)
        func contracted(at value: Double) -> Double {
            values[input][element] = value
            return zip(seed, reference(values)).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let x = values[input][element]
        return (contracted(at: x + epsilon) - contracted(at: x - epsilon)) / (2 * epsilon)
    }
}

/// The same as `OperationCheck` for a loss, which adds its gradient in the forward pass.
struct LossCheck {
    var input: Tensor
    var loss: (Tape, Variable, _ scale: Float) -> Double
    var reference: ([Double]) -> Double
    var tolerance = 1e-5

    func run(location: SourceLocation = #_sourceLocation) {
        let scale: Float = 0.375
        let x = Variable(leaf: input.copy())
        let value = loss(Tape(), x, scale)
        expectClose([value], [reference(input.doubles)], tolerance, "the loss", location: location)
        let evaluated = loss(Tape(recording: false), Variable(leaf: input.copy()), scale)
        expectClose([evaluated], [value], 1e-6, "the loss in evaluation", location: location)
        guard let gradient = x.gradient else {
            Issue.record("the loss left no gradient", sourceLocation: location)
            return
        }
        let places = sampledPlaces(gradient.count, at: 64)
        let expected = places.map { place in
            var values = input.doubles
            let (center, epsilon) = (values[place], 1e-4)
            values[place] = center + epsilon
            let above = reference(values)
            values[place] = center - epsilon
            return Double(scale) * (above - reference(values)) / (2 * epsilon)
        }
        expectClose(
            places.map { Double(gradient.buffer[$0]) }, expected, tolerance, "the gradient",
            location: location)
        expectDirectionalDerivative(
            { Double(scale) * loss(Tape(recording: false), Variable(constant: $0[0].copy()), scale) },
            at: [input], gradients: [gradient], location: location)
    }
}

/// Expects |actual − expected| ≤ tolerance · max(1, max |expected|).
func expectClose(
    _ actual: [Double], _ expected: [Double], _ tolerance: Double, _ what: @autoclosure () -> String,
    location: SourceLocation = #_sourceLocation
) {
    #expect(actual.count == expected.count, "\(what()) has another size", sourceLocation: location)
    let scale = max(1, expected.map(abs).max() ?? 0)
    for (place, (a, e)) in zip(actual, expected).enumerated() where !(abs(a - e) <= tolerance * scale) {
        Issue.record("\(what()) is \(a) instead of \(e) at \(place)", sourceLocation: location)
        return  // the first is enough
    }
}

/// All positions below `count`, or `limit` evenly spread ones that include both ends.
private func sampledPlaces(_ count: Int, at limit: Int) -> [Int] {
    count <= limit ? Array(0..<count) : (0..<limit).map { $0 * (count - 1) / (limit - 1) }
}

import Golden
import Tensors
import Testing

@Suite("Golden flow operations")
struct GoldenFlowOperationTests {
    private func expect(_ actual: [Float], _ key: String, in file: GoldenFile) throws {
        let error = try relativeError(actual, file.floats(key))
        #expect(error <= goldenTolerance, "\(key) is off by \(error)")
    }

    /// Every second value of a state of one feature: starting at 0 the feature, at 1 the logarithm.
    private func column(_ state: Tensor, _ column: Int) -> [Float] {
        (0..<state.rows).map { state.array[$0 * state.columns + column] }
    }

    private func pairs(_ first: [Float], _ second: [Float]) -> Tensor {
        Tensor(zip(first, second).flatMap { [$0, $1] }, shape: [first.count, 2])
    }

    @Test func rationalQuadraticSpline() throws {
        let file = try GoldenFile("rational_quadratic_spline")
        let form = try SplineForm(
            bins: file.integer("bins"), bound: Float(file.number("tail_bound")),
            minimumWidth: Float(file.number("min_bin_width")),
            minimumHeight: Float(file.number("min_bin_height")),
            minimumDerivative: Float(file.number("min_derivative")))
        let names = ["widths", "heights", "derivatives"]
        let parts = try names.map { try Variable(leaf: file.tensor("in.\($0)")) }
        let x = try file.floats("in.x")
        let zeros = [Float](repeating: 0, count: x.count)
        let state = Variable(leaf: pairs(x, zeros))
        let tape = Tape()
        let parameters = tape.concatenateColumns(parts)
        let y = tape.rationalQuadraticSpline(state, features: [0], parameters: parameters, form: form)
        try expect(column(y.value, 0), "out.y", in: file)
        try expect(column(y.value, 1), "out.logdet", in: file)

        // The inverse of the reference output, not of the computed one.
        let back = try pairs(file.floats("out.y"), zeros).invertingSpline(
            features: [0], parameters: parameters.value, form: form)
        try expect(column(back, 0), "out.inverse_x", in: file)
        try expect(column(back, 1), "out.inverse_logdet", in: file)

        try tape.backward(from: y, seed: pairs(file.floats("seed.y"), file.floats("seed.logdet")))
        try expect(column(#require(state.gradient), 0), "grad.in.x", in: file)
        for (name, part) in zip(names, parts) {
            try expect(#require(part.gradient).array, "grad.in.\(name)", in: file)
        }
    }

    private func focalLoss(_ name: String, gamma: Float, positiveWeight: Float) throws {
        let file = try GoldenFile(name)
        let logits = try Variable(leaf: file.tensor("in.logits"))
        let target = try file.floats("in.target").map { $0 == 1 }
        let count = Float(target.count)
        let loss = Tape().focalLoss(
            logits, target: target, gamma: gamma, positiveWeight: positiveWeight, scale: 1 / count)
        try expect([Float(loss) / count], "out.loss", in: file)
        try expect(#require(logits.gradient).array, "grad.in.logits", in: file)
    }

    private func focalLoss(_ name: String) throws {
        let file = try GoldenFile(name)
        try focalLoss(
            name, gamma: Float(file.number("gamma")), positiveWeight: Float(file.number("positive_weight")))
    }

    @Test func focalLossGamma2() throws { try focalLoss("focal_loss_gamma2") }
    @Test func focalLossGamma3() throws { try focalLoss("focal_loss_gamma3") }
    @Test func binaryCrossEntropy() throws {
        try focalLoss("bce_with_logits", gamma: 0, positiveWeight: 1)
    }
}

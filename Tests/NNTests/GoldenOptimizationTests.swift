import Golden
import NN
import Testing

@Suite("Golden optimization")
struct GoldenOptimizationTests {
    /// Comparison with PyTorch's AdamW after `clip_grad_norm_`, step by step.
    @Test func adamWTrace() throws {
        let file = try GoldenFile("adamw_trace")
        let builder = ParameterBuilder()
        _ = builder.root.parameter("p", shape: try file.shape("in.parameters"), .constant(0))
        let store = builder.build(seed: 0)
        _ = store.values.buffer.update(fromContentsOf: try file.floats("in.parameters"))
        let optimizer = AdamW(
            store,
            try AdamW.Options(
                weightDecay: file.number("weight_decay"), beta1: file.number("beta1"),
                beta2: file.number("beta2"),
                epsilon: file.number("eps")))
        let (gradients, norms) = (try file.tensor("in.gradients"), try file.floats("out.gradient_norm"))
        let expected = try file.tensor("out.parameters")
        #expect(norms.contains { $0 > Float(try! file.number("clip_norm")) }, "the trace tests clipping")
        for step in 0..<gradients.rows {
            _ = store.gradients.buffer.update(fromContentsOf: gradients.rows(step..<step + 1).buffer)
            let norm = store.gradients.sumOfSquares.squareRoot()
            #expect(abs(norm - Double(norms[step])) <= 1e-6 * norm, "the norm in step \(step)")
            let limit = try file.number("clip_norm")
            optimizer.step(
                learningRate: try file.number("lr"), gradientScale: clippingFactor(norm: norm, limit: limit))
            let error = relativeError(store.values.array, expected.rows(step..<step + 1).array)
            #expect(error <= 1e-6, "the parameters of step \(step) are off by \(error)")
        }
        #expect(optimizer.state.updates == [gradients.rows])
    }

    private func expect(_ schedule: Schedule, _ file: GoldenFile) throws {
        let expected = try file.floats("out.factor")
        for (step, factor) in zip(try file.integers("in.step"), expected) {
            #expect(
                abs(schedule.factor(step: step) - Double(factor)) <= 1e-6 * Double(factor), "step \(step)")
        }
    }

    @Test func warmupAndExponentialDecay() throws {
        let file = try GoldenFile("schedule_warmup_exponential")
        try expect(
            .warmupExponential(
                warmupSteps: file.integer("warmup_steps"), halfLife: file.number("half_life"),
                initialFactor: file.number("initial_factor"), finalFactor: file.number("final_factor")), file)
    }

    @Test func warmupAndCosine() throws {
        let file = try GoldenFile("schedule_warmup_cosine")
        let schedule = try Schedule.warmupCosine(
            warmupSteps: file.integer("warmup_steps"), totalSteps: file.integer("total_steps"),
            initialFactor: file.number("initial_factor"), finalFactor: file.number("final_factor"))
        try expect(schedule, file)
        // Constant after the last step.
        let end = try file.integer("total_steps")
        #expect(try schedule.factor(step: 2 * end) == file.number("final_factor"))
        #expect(Schedule.warmupCosine(warmupSteps: 5, totalSteps: 5).factor(step: 5) == 1)
    }
}

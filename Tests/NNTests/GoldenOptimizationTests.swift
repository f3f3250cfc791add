import Golden
import NN
import Testing

@Suite("Golden optimization")
struct GoldenOptimizationTests {
    /// Comparison with PyTorch's AdamW after `clip_grad_norm_`, step by step.
    @Test func adamWTrace() throws {
        try expectTrace("adamw_trace") { store, file in
            AdamW(
                store,
                try AdamW.Options(
                    weightDecay: file.number("weight_decay"), beta1: file.number("beta1"),
                    beta2: file.number("beta2"), epsilon: file.number("eps")))
        }
    }

    /// Comparison with the authors' Lion after `clip_grad_norm_`, step by step; an element never has a gradient.
    @Test func lionTrace() throws {
        try expectTrace("lion_trace") { store, file in
            Lion(
                store,
                try Lion.Options(
                    weightDecay: file.number("weight_decay"), beta1: file.number("beta1"),
                    beta2: file.number("beta2")))
        }
    }

    private func expectTrace(
        _ name: String, _ makeOptimizer: (ParameterStore, GoldenFile) throws -> any Optimizer
    ) throws {
        let file = try GoldenFile(name)
        let store = store(try file.floats("in.parameters"))
        let optimizer = try makeOptimizer(store, file)
        let (gradients, expected) = (try file.tensor("in.gradients"), try file.tensor("out.parameters"))
        let (norms, limit) = (try file.floats("out.gradient_norm"), try file.number("clip_norm"))
        #expect(norms.contains { $0 > Float(limit) }, "the trace tests clipping")
        for step in 0..<gradients.rows {
            _ = store.gradients.buffer.update(fromContentsOf: gradients.rows(step..<step + 1).buffer)
            let norm = store.gradients.sumOfSquares.squareRoot()
            #expect(abs(norm - Double(norms[step])) <= 1e-6 * norm, "the norm in step \(step)")
            optimizer.step(
                learningRate: try file.number("lr"), gradientScale: clippingFactor(norm: norm, limit: limit))
            let error = relativeError(store.values.array, expected.rows(step..<step + 1).array)
            #expect(error <= 1e-6, "the parameters of step \(step) are off by \(error)")
        }
        #expect(optimizer.state.updates == [gradients.rows])
    }

    /// Comparison with PyTorch's Muon after `clip_grad_norm_`, whose iterations ran in double precision there, for both
    /// step sizes, step by step. Each matrix is updated whole, in two optimizers that share the parameters.
    @Test(arguments: [("parameters", Muon.StepSize.original), ("match_rms_adamw", .matchAdamW)])
    func muonTrace(output: String, stepSize: Muon.StepSize) throws {
        let file = try GoldenFile("muon_trace")
        let names = ["tall", "wide", "square"]
        let builder = ParameterBuilder()
        for name in names {
            let shape = try file.shape("in.parameters.\(name)")
            _ = builder.root.hidden.parameter(name, shape: shape, .constant(0))
        }
        let store = builder.build(seed: 0)
        for (name, parameter) in zip(names, store.parameters) {
            _ = parameter.variable.value.buffer.update(fromContentsOf: try file.floats("in.parameters.\(name)"))
        }
        var options = Muon.Options()
        options.momentum = try file.number("momentum")
        options.iterations = try file.integer("ns_steps")
        options.others.weightDecay = try file.number("weight_decay")
        options.stepSize = stepSize
        let border = store.parameters[1].range.lowerBound
        let optimizers = [0..<border, border..<store.values.count].map {
            Muon(store, options, elements: ElementRanges([$0]))
        }
        let (norms, limit) = (try file.floats("out.gradient_norm"), try file.number("clip_norm"))
        for (step, expectedNorm) in norms.enumerated() {
            for (name, parameter) in zip(names, store.parameters) {
                let gradients = try file.floats("in.gradients.\(name)")
                for (i, element) in parameter.range.enumerated() {
                    store.gradients.buffer[element] = gradients[step * parameter.range.count + i]
                }
            }
            let norm = store.gradients.sumOfSquares.squareRoot()
            #expect(abs(norm - Double(expectedNorm)) <= 1e-6 * norm, "the norm in step \(step)")
            for optimizer in optimizers {
                optimizer.step(
                    learningRate: try file.number("lr"), gradientScale: clippingFactor(norm: norm, limit: limit))
            }
            for (name, parameter) in zip(names, store.parameters) {
                let expected = try file.floats("out.\(output).\(name)")
                let count = parameter.range.count
                let error = relativeError(
                    parameter.variable.value.array, Array(expected[step * count..<(step + 1) * count]))
                #expect(error <= 2e-4, "\(name) of step \(step) is off by \(error)")
            }
        }
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

    @Test func warmupAndLinearDecay() {
        let schedule = Schedule.warmupLinear(
            warmupSteps: 4, totalSteps: 12, initialFactor: 0.5, finalFactor: 0.125)
        let expected = [0.5, 0.625, 0.75, 0.875, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.125, 0.125]
        #expect(expected.indices.map { schedule.factor(step: $0) } == expected)
        #expect(Schedule.warmupLinear(warmupSteps: 5, totalSteps: 5).factor(step: 5) == 1)
    }
}

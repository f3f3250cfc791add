import Foundation
import Golden
import Models
import NN
import Tensors
import Testing

@Suite("Golden flows")
struct GoldenFlowTests {
    private func expect(_ actual: [Float], _ key: String, in file: GoldenFile) throws {
        let error = try relativeError(actual, file.floats(key))
        #expect(error <= goldenTolerance, "\(key) is off by \(error)")
    }

    @Test(arguments: [("coupling_flow", CouplingFlow.ContextPlace.hidden), ("coupling_flow_input_context", .input)])
    func couplingFlow(name: String, contextPlace: CouplingFlow.ContextPlace) throws {
        let file = try GoldenFile(name)
        let x = try Variable(leaf: file.tensor("in.x"))
        let context = try Variable(leaf: file.tensor("in.context"))
        let builder = ParameterBuilder()
        let flow = try CouplingFlow(
            CouplingFlow.Shape(
                features: x.value.columns, context: context.value.columns, layers: file.integer("stacks"),
                width: file.integer("width"), depth: file.integer("depth"), contextPlace: contextPlace,
                spline: SplineForm(bins: file.integer("bins"), bound: Float(file.number("tail_bound")))),
            in: builder.root)
        let store = builder.build(seed: 0)
        let names = [
            ("layers.", "flows."), (".spline.", ".prqct.unconditional_transform.unnormalized_"),
            (".network.input.", ".prqct.transform_net.input_block.layers.0."),
            (".network.output.", ".prqct.transform_net.output_block.layers.0."),
        ]
        func place(_ name: String) -> GoldenPlace {
            var result = names.reduce(name) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
            if let hidden = result.range(of: ".network.hidden.") {
                let number = result[hidden.upperBound...].prefix { $0.isNumber }
                let rest = result[hidden.upperBound...].dropFirst(number.count)
                result =
                    result[..<hidden.lowerBound] + ".prqct.transform_net.hidden_blocks.\(number).layers.0"
                    + rest
            }
            return GoldenPlace(result)
        }
        try store.load(file, places: place)

        let tape = Tape()
        let state = flow(x, context: context, on: tape)
        let z = tape.pickColumns(state, index: Array(0..<x.value.columns)).value
        try expect(z.array, "out.z", in: file)
        let count = Float(x.value.rows)
        let again = Tape()
        let loss = flow.negativeLogLikelihood(x, context: context, scale: 1 / count, on: again)
        again.backward()
        try expect([Float(loss) / count], "out.loss", in: file)
        try expect(#require(x.gradient).array, "grad.in.x", in: file)
        try expect(#require(context.gradient).array, "grad.in.context", in: file)
        #expect(try store.gradientErrors(file, places: place) == [])
        try expect(
            flow.logDensity(of: x.value, context: context.value).map { Float($0) }, "out.log_prob", in: file)
        try expect(flow.inverse(file.tensor("out.z"), context: context.value).array, "in.x", in: file)
        guard contextPlace == .input else { return }
        let sample = try flow.inverse(file.tensor("in.latent"), context: context.value)
        try expect(sample.array, "out.sample", in: file)
        let back = flow(Variable(constant: sample), context: context, on: Tape(recording: false))
        let logarithms = tape.pickColumns(back, index: [x.value.columns]).value.array
        try expect(logarithms.map { -$0 }, "out.sample_logdet", in: file)
    }

    @Test func flowMatchingHead() throws {
        let file = try GoldenFile("flow_matching_head")
        let (data, noise) = try (file.tensor("in.data"), file.tensor("in.noise"))
        let times = try file.floats("in.t")
        let condition = try Variable(leaf: file.tensor("in.condition"))
        let hidden = Set(
            file.names.filter { $0.hasPrefix("param.hidden_blocks.") }.map { $0.split(separator: ".")[2] })
        let builder = ParameterBuilder()
        let head = try FlowMatchingHead(
            FlowMatchingHead.Shape(
                features: data.columns, condition: condition.value.columns,
                width: file.shape("param.output_block.layers.0.weight")[1], layers: 1 + hidden.count,
                timeFeatures: file.integer("time_features")),
            in: builder.root)
        let store = builder.build(seed: 0)
        func place(_ name: String) -> GoldenPlace {
            if name.hasPrefix("output.") {
                return GoldenPlace("output_block.layers.0." + name.dropFirst("output.".count))
            }
            let parts = name.split(separator: ".")  // layers.2.norm.weight
            let block = parts[1] == "0" ? "input_block" : "hidden_blocks.\(Int(parts[1])! - 1)"
            return GoldenPlace("\(block).layers.\(parts[2] == "linear" ? 0 : 2).\(parts[3])")
        }
        try store.load(file, places: place)

        try expect(timeEncoding(times, features: head.shape.timeFeatures).array, "in.time_encoding", in: file)
        let path = FlowMatchingPath(data: data, noise: noise, times: times)
        let velocity = head.velocity(
            at: Variable(constant: path.position), times: times, condition: condition, on: Tape())
        try expect(velocity.value.array, "out.velocity", in: file)
        let (tape, count) = (Tape(), Float(data.count))
        let loss = head.loss(
            data, noise: noise, times: times, condition: condition, scale: 1 / count, on: tape)
        tape.backward()
        try expect([Float(loss) / count], "out.loss", in: file)
        try expect(#require(condition.gradient).array, "grad.in.condition", in: file)
        #expect(try store.gradientErrors(file, places: place) == [])
    }
}

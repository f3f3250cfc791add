import Foundation
import NN
import Objectives
import Safetensors
import System
import Tensors

/// The tensors of a backbone, or of a whole model of version 2, under the names of a generation of the authors' code:
/// exactly those of its module, so that `load_state_dict` accepts them.
///
/// Norms without weights, in the latest generation, follow from
///
///     W (g ⊙ n(x) + β) + b = (W diag(g)) n(x) + (b + W β)
package struct PublicModel {
    private let names: ParameterNames
    private let parameters: [String: Parameter]
    private let order: [String]
    private let store: ParameterStore
    private let state: ObjectiveState
    private let features: Int

    /// Parameters without a place in that code, by the beginning of their names.
    package let leftOut: [String]

    /// Throws `KaonError` if a parameter has no name there.
    ///
    /// - Parameters:
    ///   - state: state of the objective; empty for a backbone.
    ///   - features: number of features of a constituent.
    package init(
        _ store: ParameterStore, _ state: ObjectiveState, features: Int, names: ParameterNames
    ) throws {
        (self.store, self.state, self.features, self.names) = (store, state, features, names)
        // The probe only monitors, and is built differently there.
        let isLeftOut = { (name: String) in name.hasPrefix("tasks.probe.") }
        leftOut = store.parameters.contains { isLeftOut($0.name) } ? ["tasks.probe"] : []
        let kept = store.parameters.filter { !isLeftOut($0.name) }
        if let other = kept.first(where: { names.name(of: $0.name) == nil && !names.leavesOut($0.name) }) {
            throw KaonError("the parameter \(other.name) has no counterpart there")
        }
        order = kept.map(\.name)
        parameters = Dictionary(uniqueKeysWithValues: kept.map { ($0.name, $0) })
    }

    /// Adds the tensors to a file.
    package func add(to writer: inout SafetensorsWriter) {
        for name in order where !names.leavesOut(name) {
            guard let parameter = parameters[name], let publicName = names.name(of: name) else { continue }
            writer.add(publicName, values(of: name), shape: names.shape(parameter.shape, of: name))
        }
        if names.alwaysScales { addScales(to: &writer) }
        if parameters["tasks.flow.context.weight"] != nil { addFlowConstants(to: &writer) }
        if parameters["tasks.flow_matching.condition.weight"] != nil { addFlowMatching(to: &writer) }
        if let centroids = state.tensors["tasks/kmeans/centroids"] { addCentroids(centroids, to: &writer) }
    }

    private func stored(_ name: String) -> [Float]? {
        parameters[name].map { store.values.slice($0.range, shape: $0.shape).array }
    }

    /// The values of a parameter, with the weights of the norm before it in generations whose norms have none.
    private func values(of name: String) -> [Float] {
        guard let values = stored(name) else { unreachable("the parameter \(name) is not in the model") }
        guard names == .jetssl,
            let match = name.wholeMatch(
                of: /(.+\.layers\.\d+\.)(attention|feedforward)\.(?:qkv|input)\.(weight|bias)/),
            let gains = stored("\(match.1)\(match.2)_norm.weight"),
            let shifts = stored("\(match.1)\(match.2)_norm.bias")
        else { return values }
        let width = gains.count
        if match.3 == "weight" { return values.enumerated().map { $1 * gains[$0 % width] } }
        guard let weight = stored(String(name.dropLast("bias".count)) + "weight") else {
            unreachable("\(name) is a bias without a weight")
        }
        return values.enumerated().map { row, bias in
            Float(
                (0..<width).reduce(Double(bias)) { $0 + Double(weight[row * width + $1]) * Double(shifts[$1]) })
        }
    }

    /// Scales of 1 for blocks without LayerScale.
    private func addScales(to writer: inout SafetensorsWriter) {
        for name in order {
            guard let match = name.wholeMatch(of: /(.+\.layers\.\d+\.)(attention\.output|feedforward\.output)\.bias/)
            else { continue }
            let scale = "\(match.1)\(match.2.prefix { $0 != "." })_scale"
            guard parameters[scale] == nil, let count = parameters[name]?.range.count,
                let publicName = names.name(of: scale)
            else { continue }
            writer.add(publicName, [Float](repeating: 1, count: count), shape: [count])
        }
    }

    /// The standard normal distribution and the halves of the features.
    private func addFlowConstants(to writer: inout SafetensorsWriter) {
        let flow = "tasks.flow.flow."
        let zeros = [Float](repeating: 0, count: features)
        writer.add(flow + "q0.loc", zeros, shape: [1, features])
        writer.add(flow + "q0.log_scale", zeros, shape: [1, features])
        var layer = 0
        while parameters["tasks.flow.flow.layers.\(layer).spline.widths"] != nil {
            let moved = 1 - layer % 2
            for (name, half) in [("transform_features", moved), ("identity_features", 1 - moved)] {
                let columns = Array(stride(from: half, to: features, by: 2))
                writer.add("\(flow)flows.\(layer).prqct.\(name)", columns, shape: [columns.count])
            }
            layer += 1
        }
    }

    /// The moving average, and the constants of the encoding of the time.
    private func addFlowMatching(to writer: inout SafetensorsWriter) {
        let average = "tasks/flow_matching/average/"
        for (key, tensor) in state.tensors where key.hasPrefix(average + "head.") {
            let name = names.name(of: "tasks.flow_matching." + key.dropFirst(average.count))
            guard let name else { unreachable("\(key) is no parameter of the head") }
            writer.add(name.replacing("diff.mlp.", with: "diff.ema_mlp."), tensor.array, shape: tensor.shape)
        }
        let time = "tasks.diff.diff.time_encoder."
        for (name, value) in [("min_value", 0), ("max_value", 1)] { writer.add(time + name, [Float(value)], shape: []) }
        let inputs = parameters["tasks.flow_matching.head.layers.0.linear.weight"]?.shape[1] ?? 0
        let condition = parameters["tasks.flow_matching.condition.weight"]?.shape[0] ?? 0
        let count = inputs - features - condition
        let isLatest = names == .jetssl
        writer.add(time + "freqs", (0..<count).map { Float(exp(Double($0))) }, shape: isLatest ? [count] : [count, 1])
        if isLatest { writer.add(time + "range", [Float(1)], shape: []) }
    }

    /// One column for each cluster, and equal weights of all clusters.
    private func addCentroids(_ centroids: Tensor, to writer: inout SafetensorsWriter) {
        let (clusters, features, values) = (centroids.rows, centroids.columns, centroids.array)
        let columns = (0..<features * clusters).map { values[$0 % clusters * features + $0 / clusters] }
        writer.add("tasks.kmeans.kmeans.centroids", columns, shape: [features, clusters])
        writer.add("tasks.kmeans.kmeans.weights", [Float](repeating: 1, count: clusters), shape: [clusters])
    }
}

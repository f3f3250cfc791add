import Foundation
import NN
import Tensors

/// The names of a block's parameters here and in the reference files.
private let blockNames = [
    "attention_norm.": "attn.norm.", "attention.qkv.weight": "attn.fn.attn_in_w",
    "attention.qkv.bias": "attn.fn.attn_in_b", "attention.output.": "attn.fn.attn_out.",
    "attention_scale": "attn.ls.gamma", "feedforward_norm.": "ff.norm.", "feedforward.input.": "ff.fn.lin1.",
    "feedforward.output.": "ff.fn.lin2.", "feedforward_scale": "ff.ls.gamma",
]

/// The reference file's name of a parameter.
private func referenceName(_ name: String) -> String {
    var name = name
    let others = [
        "embedding.continuous.": "csts_emb.", "embedding.identity.": "csts_id_emb.",
        "encoder_to_decoder.": "enc_to_dec.", "decoder.null_tokens": "null_token",
        "tasks.particle_id.": "tasks.id.", "tasks.regression.": "tasks.reg.",
    ]
    for (ours, theirs) in blockNames.merging(others, uniquingKeysWith: { $1 }) {
        if let range = name.range(of: ours) {
            name.replaceSubrange(range, with: theirs)
            break
        }
    }
    return name
}

extension ParameterStore {
    /// Sets every parameter from the reference file.
    public func load(_ file: GoldenFile) throws {
        for parameter in parameters {
            let key = "param.\(referenceName(parameter.name))"
            let values = try file.floats(key)
            guard values.count == parameter.range.count else {
                throw GoldenFile.Failure(description: "\(key) has \(values.count) values")
            }
            _ = parameter.variable.value.buffer.update(fromContentsOf: values)
        }
    }

    /// The gradients that are missing, or off by more than the tolerance, in words; empty when all agree.
    public func gradientErrors(_ file: GoldenFile) throws -> [String] {
        var errors: [String] = []
        for parameter in parameters {
            let expected = try file.floats("grad.param.\(referenceName(parameter.name))")
            let error = parameter.variable.gradient.map { relativeError($0.array, expected) } ?? .infinity
            if error > goldenTolerance { errors.append("the gradient of \(parameter.name) is off by \(error)") }
        }
        let expected = file.names.filter { $0.hasPrefix("param.") }.count
        if parameters.count != expected { errors.append("\(parameters.count) parameters, \(expected) in the file") }
        return errors
    }
}

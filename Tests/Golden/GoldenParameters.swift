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

/// The reference file's name of a parameter of version 2.
package func referenceName(_ name: String) -> String {
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

/// The reference file's name of a parameter of version 1.
package func referenceNameV1(_ name: String) -> String {
    let pairs = [
        ("encoder.layers.", "blocks."), ("encoder.final_norm.", "final_norm."), ("attention_norm.", "norm1."),
        ("attention.qkv.", "qkv."), ("attention.norm.", "attn_norm."), ("attention.output.", "attn_out."),
        ("feedforward_norm.", "norm2."), ("feedforward.input.", "ff1."), ("feedforward.norm.", "ff_norm."),
        ("feedforward.output.", "ff2."), ("embedding.continuous.", "embed."), ("head.hidden.", "head1."),
        ("task.", "head2."), ("head.position", "position"), ("embedding.position", "position"),
    ]
    return pairs.reduce(name) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
}

extension ParameterStore {
    /// Sets every parameter from the reference file.
    ///
    /// - Parameter naming: the file's name of a parameter.
    package func load(_ file: GoldenFile, naming: (String) -> String = referenceName) throws {
        for parameter in parameters {
            let key = "param.\(naming(parameter.name))"
            let values = try file.floats(key)
            guard values.count == parameter.range.count else {
                throw GoldenFile.Failure(description: "\(key) has \(values.count) values")
            }
            _ = parameter.variable.value.buffer.update(fromContentsOf: values)
        }
    }

    /// The gradients that are missing, or off by more than the tolerance, in words; empty when all agree.
    ///
    /// A gradient that is zero in theory, as that of a bias in front of a softmax, is compared with one.
    package func gradientErrors(
        _ file: GoldenFile, prefix: String = "grad.param.", naming: (String) -> String = referenceName,
        precision: Precision = .single
    ) throws -> [String] {
        var errors: [String] = []
        for parameter in parameters {
            let expected = try file.floats(prefix + naming(parameter.name))
            let vanishes = expected.allSatisfy { abs($0) < 1e-9 }
            let error =
                parameter.variable.gradient.map {
                    vanishes ? $0.array.reduce(0) { max($0, abs($1)) } : precision.error($0.array, expected)
                } ?? .infinity
            if !(error <= precision.goldenTolerance) {
                errors.append("the gradient of \(parameter.name) is off by \(error)")
            }
        }
        let expected = file.names.filter { $0.hasPrefix("param.") }.count
        if parameters.count != expected { errors.append("\(parameters.count) parameters, \(expected) in the file") }
        return errors
    }
}

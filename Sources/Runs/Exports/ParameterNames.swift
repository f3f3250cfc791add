/// Naming scheme of the parameters in an exported file: that of kaon, or one of the three generations of the authors'
/// public PyTorch code (jetssl), of the modules `JetBackbone` and `MaskedParticleModelling`.
package enum ParameterNames: String, CaseIterable, Sendable {
    /// Names in kaon: `encoder.layers.3.attention.qkv.weight`.
    case kaon
    /// Names until August 2024: `encoder.layers.3.attn.fn.attn_in_w`, `encoder.layers.3.attn.ls.gamma`.
    case august2024 = "jetssl-2024-08"
    /// Names of September and October 2024: `encoder.layers.3.res_attn.fn.attn_in_w`, `encoder.layers.3.res_attn.gate`.
    case october2024 = "jetssl-2024-10"
    /// Names since then: `encoder.layers.3.attn.fn.attn_in.weight`. The norms of the blocks have no weights.
    case jetssl

    /// The naming scheme of a file with these tensors.
    init(ofFileWith names: [String]) {
        func has(_ text: String) -> Bool { names.contains { $0.contains(text) } }
        self =
            !names.contains("csts_emb.weight")
            ? .kaon : has(".res_attn.") ? .october2024 : has(".attn.fn.attn_in.") ? .jetssl : .august2024
    }

    /// The name of a parameter, given its name in kaon; nil if it has none.
    package func name(of parameter: String) -> String? {
        guard self != .kaon else { return parameter }
        for (ours, theirs) in Self.prefixes where parameter.hasPrefix(ours) {
            return theirs + parameter.dropFirst(ours.count)
        }
        if let match = parameter.wholeMatch(of: /((?:en|de)coder\.layers\.\d+\.)(.+)/) {
            return blockName(String(match.2)).map { match.1 + $0 }
        }
        if let match = parameter.wholeMatch(of: /tasks\.flow\.flow\.layers\.(\d+)\.(.+)/) {
            return Self.couplingName(String(match.2)).map { "tasks.flow.flow.flows.\(match.1).prqct.\($0)" }
        }
        if let match = parameter.wholeMatch(of: /tasks\.flow_matching\.head\.(.+)/) {
            return Self.velocityName(String(match.1)).map { "tasks.diff.diff.mlp.\($0)" }
        }
        return nil
    }

    /// The shape of a parameter in the file: registers have an additional dimension of size 1 for the jets.
    package func shape(_ shape: [Int], of parameter: String) -> [Int] {
        self != .kaon && parameter == "encoder.registers" ? [1] + shape : shape
    }

    /// True for parameters that a scheme does not have because they are constant: the norms of the blocks.
    package func leavesOut(_ parameter: String) -> Bool {
        self == .jetssl && parameter.contains(/\.layers\.\d+\.(attention|feedforward)_norm\./)
    }

    /// True if the residual branches of every block have a scale.
    package var alwaysScales: Bool { self == .october2024 || self == .jetssl }

    /// Beginnings of names that differ as a whole.
    private static let prefixes = [
        ("embedding.continuous.", "csts_emb."), ("embedding.identity.", "csts_id_emb."),
        ("encoder.registers", "encoder.registers"), ("encoder.final_norm.", "encoder.final_norm."),
        ("decoder.final_norm.", "decoder.final_norm."), ("decoder.null_tokens", "null_token"),
        ("encoder_to_decoder.", "enc_to_dec."), ("tasks.particle_id.head.", "tasks.id.head."),
        ("tasks.regression.head.", "tasks.reg.head."), ("tasks.kmeans.head.", "tasks.kmeans.head."),
        ("tasks.flow.context.", "tasks.flow.head."), ("tasks.flow_matching.condition.", "tasks.diff.head."),
    ]

    private func blockName(_ name: String) -> String? {
        let attention = self == .october2024 ? "res_attn" : "attn"
        let separator = self == .jetssl ? "attn_in." : "attn_in_"
        let (weight, bias) = self == .jetssl ? ("weight", "bias") : ("w", "b")
        let scale = self == .august2024 ? "ls.gamma" : "gate"
        return switch name {
        case "attention.qkv.weight": "\(attention).fn.\(separator)\(weight)"
        case "attention.qkv.bias": "\(attention).fn.\(separator)\(bias)"
        case "attention.output.weight", "attention.output.bias":
            "\(attention).fn.attn_out.\(name.dropFirst("attention.output.".count))"
        case "attention_norm.weight", "attention_norm.bias":
            self == .jetssl ? nil : "\(attention).norm.\(name.dropFirst("attention_norm.".count))"
        case "feedforward_norm.weight", "feedforward_norm.bias":
            self == .jetssl ? nil : "ff.norm.\(name.dropFirst("feedforward_norm.".count))"
        case "feedforward.input.weight", "feedforward.input.bias":
            "ff.fn.lin1.\(name.dropFirst("feedforward.input.".count))"
        case "feedforward.output.weight", "feedforward.output.bias":
            "ff.fn.lin2.\(name.dropFirst("feedforward.output.".count))"
        case "attention_scale": "\(attention).\(scale)"
        case "feedforward_scale": "ff.\(scale)"
        default: nil
        }
    }

    private static func couplingName(_ name: String) -> String? {
        if let match = name.wholeMatch(of: /spline\.(.+)/) { return "unconditional_transform.unnormalized_\(match.1)" }
        if let match = name.wholeMatch(of: /network\.(input|output)\.(.+)/) {
            return "transform_net.\(match.1)_block.layers.0.\(match.2)"
        }
        return name.wholeMatch(of: /network\.hidden\.(\d+)\.(.+)/).map {
            "transform_net.hidden_blocks.\($0.1).layers.0.\($0.2)"
        }
    }

    private static func velocityName(_ name: String) -> String? {
        if let match = name.wholeMatch(of: /output\.(.+)/) { return "output_block.layers.0.\(match.1)" }
        guard let match = name.wholeMatch(of: /layers\.(\d+)\.(linear|norm)\.(.+)/), let layer = Int(match.1) else {
            return nil
        }
        let block = layer == 0 ? "input_block" : "hidden_blocks.\(layer - 1)"
        return "\(block).layers.\(match.2 == "linear" ? 0 : 2).\(match.3)"
    }
}

/// Naming scheme of the parameters in an exported file.
package enum ParameterNames: String, CaseIterable, Sendable {
    /// Names in kaon: `encoder.layers.3.attention.qkv.weight`.
    case kaon
    /// Names in the module `JetBackbone` of the authors' public PyTorch code: `encoder.layers.3.attn.fn.attn_in_w`.
    case jetssl

    /// The name of a parameter of a backbone with transformer blocks, given its name in kaon; nil if it has none.
    package func name(of parameter: String) -> String? {
        guard self == .jetssl else { return parameter }
        let whole = [
            "embedding.continuous.weight": "csts_emb.weight", "embedding.continuous.bias": "csts_emb.bias",
            "embedding.identity.weight": "csts_id_emb.weight", "encoder.registers": "encoder.registers",
            "encoder.final_norm.weight": "encoder.final_norm.weight",
            "encoder.final_norm.bias": "encoder.final_norm.bias",
        ]
        if let name = whole[parameter] { return name }
        guard let match = parameter.wholeMatch(of: /(encoder\.layers\.\d+\.)(.+)/) else { return nil }
        return Self.blockNames[String(match.2)].map { match.1 + $0 }
    }

    /// The shape of a parameter in the file: registers have an additional dimension of size 1 for the jets.
    package func shape(_ shape: [Int], of parameter: String) -> [Int] {
        self == .jetssl && parameter == "encoder.registers" ? [1] + shape : shape
    }

    private static let blockNames = [
        "attention_norm.weight": "attn.norm.weight", "attention_norm.bias": "attn.norm.bias",
        "attention.qkv.weight": "attn.fn.attn_in_w", "attention.qkv.bias": "attn.fn.attn_in_b",
        "attention.output.weight": "attn.fn.attn_out.weight", "attention.output.bias": "attn.fn.attn_out.bias",
        "attention_scale": "attn.ls.gamma",
        "feedforward_norm.weight": "ff.norm.weight", "feedforward_norm.bias": "ff.norm.bias",
        "feedforward.input.weight": "ff.fn.lin1.weight", "feedforward.input.bias": "ff.fn.lin1.bias",
        "feedforward.output.weight": "ff.fn.lin2.weight", "feedforward.output.bias": "ff.fn.lin2.bias",
        "feedforward_scale": "ff.ls.gamma",
    ]
}
